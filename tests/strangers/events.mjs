// Reads an AsyncAPI document: node events.mjs FILE. Prints every error; fails if there is one.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const require = createRequire(`${process.env.NODE_PATH}/`);
const { Parser } = require("@asyncapi/parser");
const { document, diagnostics } = await new Parser().parse(readFileSync(process.argv[2], "utf8"));
const errors = diagnostics.filter((one) => one.severity === 0);
for (const one of errors) console.log(one.path.join("/"), one.message);
process.exit(document === undefined || errors.length > 0 ? 1 : 0);
