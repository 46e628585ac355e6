// The pages with their addresses and roles. A page is loaded when it is first shown.
import { computed } from "./lib.js";
import { match } from "./router.js";
import { shortId } from "./format.js";
import { config, role } from "./store.js";

const EVERYONE = ["customer", "operator", "admin"],
  STAFF = ["operator", "admin"],
  ADMINS = ["admin"];

/**
 * `nav`: the page is in the navigation. `when`: whether this installation offers the page.
 * `named(args)`: the title of the window, for a page that is shown for many things.
 */
export const PAGES = [
  {
    path: "/",
    title: "New order",
    group: "Shop",
    icon: "cart",
    roles: EVERYONE,
    nav: true,
    load: () => import("./pages/shop.js"),
  },
  {
    path: "/overview",
    title: "Overview",
    group: "Operations",
    icon: "overview",
    roles: STAFF,
    nav: true,
    load: () => import("./pages/overview.js"),
  },
  {
    path: "/orders",
    title: "Orders",
    group: "Operations",
    icon: "orders",
    roles: EVERYONE,
    nav: true,
    load: () => import("./pages/orders.js"),
  },
  {
    path: "/orders/:id",
    title: "Order",
    named: ({ id }) => `Order ${shortId(id)}`,
    roles: EVERYONE,
    load: () => import("./pages/order.js"),
  },
  {
    path: "/inventory",
    title: "Inventory",
    group: "Operations",
    icon: "inventory",
    roles: STAFF,
    nav: true,
    load: () => import("./pages/inventory.js"),
  },
  {
    path: "/payments",
    title: "Payments",
    group: "Operations",
    icon: "payments",
    roles: STAFF,
    nav: true,
    load: () => import("./pages/payments.js"),
  },
  {
    path: "/customers",
    title: "Customers",
    group: "Operations",
    icon: "customers",
    roles: ADMINS,
    nav: true,
    load: () => import("./pages/customers.js"),
  },
  {
    path: "/map",
    title: "System map",
    group: "System",
    icon: "map",
    roles: STAFF,
    nav: true,
    load: () => import("./pages/map.js"),
  },
  {
    path: "/metrics",
    title: "Metrics",
    group: "System",
    icon: "metrics",
    roles: STAFF,
    nav: true,
    load: () => import("./pages/metrics.js"),
  },
  {
    path: "/logs",
    title: "Logs",
    group: "System",
    icon: "logs",
    roles: STAFF,
    nav: true,
    when: () => config.value.logs,
    load: () => import("./pages/logs.js"),
  },
  {
    path: "/audit",
    title: "Audit",
    group: "System",
    icon: "lock",
    roles: ADMINS,
    nav: true,
    load: () => import("./pages/audit.js"),
  },
  {
    path: "/chaos",
    title: "Chaos",
    group: "System",
    icon: "chaos",
    roles: ADMINS,
    nav: true,
    when: () => config.value.chaos,
    load: () => import("./pages/chaos.js"),
  },
  {
    path: "/account",
    title: "Your account",
    group: "Account",
    icon: "user",
    roles: EVERYONE,
    nav: true,
    load: () => import("./pages/account.js"),
  },
];

const offered = (page) => page.when?.() ?? true;

/** The navigation of the signed-in user: [[group, pages]]. */
export const navigation = computed(() => {
  const groups = new Map();
  for (const page of PAGES) {
    if (page.nav && page.roles.includes(role.value) && offered(page)) {
      const group = role.value === "customer" && page.group === "Operations" ? "Shop" : page.group;
      groups.set(group, [...(groups.get(group) ?? []), page]);
    }
  }
  return [...groups];
});

/** {page, args} at `path`, or null. */
export function find(path) {
  for (const page of PAGES) {
    const args = match(page.path, path);
    if (args && offered(page)) return { page, args };
  }
  return null;
}

/** The page shown after signing in. */
export const home = () => (role.value === "customer" ? "/" : "/overview");
