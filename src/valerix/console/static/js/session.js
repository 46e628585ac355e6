// Signing in and out. The tokens are in cookies that no script can read; the console only knows the user.
import { call, get, post, Problem, cookie, renew } from "./api.js";
import { config, user, expired } from "./store.js";

/**
 * Read the signed-in user and the features of this installation. Throws Problem when the server
 * cannot be reached.
 */
export async function restore() {
  const [offered, found] = await Promise.all([get("/console/api/config"), whoIsIt()]);
  config.value = offered;
  user.value = found;
}

async function whoIsIt() {
  if (!cookie("valerix_csrf")) return null;
  try {
    return await me();
  } catch (problem) {
    if (!(problem instanceof Problem) || problem.status !== 401) throw problem;
    return (await renew()) ? me() : null;
  }
}

const me = async () => (await call("GET", "/api/v1/users/me", { renewing: false })).data;

/** Sign in. Throws Problem: 401 for a wrong e-mail or password, 429 with the seconds to wait. */
export async function signIn(email, password) {
  const { data } = await call("POST", "/api/v1/users/login", {
    body: { email, password, session: "cookie" },
    renewing: false,
  });
  expired.value = false;
  user.value = data.user;
}

export async function signOut() {
  try {
    await post("/api/v1/users/logout", {});
  } catch (problem) {
    if (problem.status !== 401) throw problem;
  }
  expired.value = false;
  user.value = null;
}

// When another tab signs in or out, this one follows.
const tabs = "BroadcastChannel" in window ? new BroadcastChannel("valerix.session") : null;
let heard = undefined;
tabs?.addEventListener("message", ({ data: id }) => {
  if (id === (user.value?.id ?? null)) return;
  heard = id;
  if (id === null) user.value = null;
  else
    whoIsIt().then(
      (found) => {
        user.value = found;
      },
      () => {},
    );
});
user.subscribe((now) => {
  if (now === undefined) return;
  if ((now?.id ?? null) !== heard) tabs?.postMessage(now?.id ?? null);
  heard = undefined;
});
