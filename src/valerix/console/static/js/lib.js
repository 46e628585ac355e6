// The only place that names the version of the vendored library.
export * from "/static/vendor/preact-11.2.0/preact.js";
