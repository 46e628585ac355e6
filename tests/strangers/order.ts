// The first steps of a team with the types that openapi-typescript generates from the published document.
// node order.js URL PASSWORD CUSTOMER OPERATOR PRODUCT; prints `done` at the end.
import type { components, operations, paths } from "./valerix.js";

declare const process: { argv: string[] };
type Schema<Name extends keyof components["schemas"]> = components["schemas"][Name];
type Json<Response> = Response extends { content: { "application/json": infer Body } } ? Body : never;
type Success<Name extends keyof operations> = Json<
  operations[Name]["responses"][keyof operations[Name]["responses"] & (200 | 201 | 202)]
>;

const [url, password, customerEmail, operatorEmail, product] = process.argv.slice(2) as [
  string, string, string, string, string,
];

async function call(
  method: string, path: keyof paths | `${keyof paths & string}/${string}`, token: string, body?: unknown,
): Promise<Response> {
  const headers: Record<string, string> = { "content-type": "application/json" };
  if (token) headers["authorization"] = `Bearer ${token}`;
  return fetch(url + path, { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) });
}

async function read<Name extends keyof operations>(_: Name, status: number, answer: Response): Promise<Success<Name>> {
  if (answer.status !== status) throw new Error(`${answer.url}: ${answer.status} ${await answer.text()}`);
  return (await answer.json()) as Success<Name>;
}

function equal<T>(found: T, wanted: T): void {
  if (found !== wanted) throw new Error(`${String(found)} is not ${String(wanted)}`);
}

async function signedIn(email: string): Promise<string> {
  const body: Schema<"LoginBody"> = { email, password };
  const answer = await read("login", 200, await call("POST", "/api/v1/users/login", "", body));
  return answer.accessToken ?? "";
}

const [customer, operator] = [await signedIn(customerEmail), await signedIn(operatorEmail)];
const me = await read("getMyself", 200, await call("GET", "/api/v1/users/me", customer));
const customerId: string = me.customerId ?? "";

const body: Schema<"PlaceOrderBody"> = { customerId, items: [{ productId: product, quantity: 2 }] };
const order = await read("placeOrder", 201, await call("POST", "/api/v1/orders", customer, body));
equal<Schema<"OrderStatus">>(order.status, "confirmed");
const found = await read("getOrder", 200, await call("GET", `/api/v1/orders/${order.id}`, customer));
equal(found.version, order.version);

const path = `/api/v1/payments/order/${order.id}` as const;
const payment = await read("getPaymentOfOrder", 200, await call("GET", path, customer));
if (payment.amount === null) throw new Error("no amount");
const charge: Schema<"CapturePaymentBody"> = { orderId: order.id, customerId, amount: payment.amount, method: "card_ok" };
const paid = await read("capturePayment", 200, await call("POST", "/api/v1/payments", operator, charge));
equal(paid.id, payment.id);

const refund: Schema<"RefundBody"> = { amountMinor: 1 };
await read("refundPayment", 201, await call("POST", `/api/v1/payments/${payment.id}/refund`, operator, refund));
const cancelled = await read("cancelOrder", 200, await call("DELETE", `/api/v1/orders/${order.id}`, customer));
equal<Schema<"OrderStatus">>(cancelled.status, "cancelled");

const many: Schema<"PlaceOrderBody"> = { customerId, productId: product, quantity: 100, onShortage: "reject" };
const refused = await call("POST", "/api/v1/orders", customer, many);
equal(refused.status, 409);
const problem = (await refused.json()) as
  operations["placeOrder"]["responses"][409]["content"]["application/problem+json"];
equal(problem.code, "insufficient_stock");
equal<Schema<"OrderStatus"> | undefined>(problem.order?.status, "failed");
console.log("done");
