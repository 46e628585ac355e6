"use strict";

const LOGIN = "/api/v1/users/login";

/** Signing in with the login operation signs the page in; the token lives in memory only. */
function rememberToken(response) {
  if (response.ok && new URL(response.url, location.href).pathname === LOGIN && response.body?.accessToken) {
    reference.preauthorizeApiKey("bearer", response.body.accessToken);
  }
  return response;
}

const reference = SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#reference",
  deepLinking: true,
  filter: true,
  docExpansion: "list",
  defaultModelsExpandDepth: -1,
  displayRequestDuration: true,
  tryItOutEnabled: true,
  validatorUrl: null, // no calls to third parties
  responseInterceptor: rememberToken,
});
