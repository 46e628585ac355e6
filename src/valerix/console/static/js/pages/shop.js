import { html } from "../lib.js";
import { PageHead, Skeleton } from "../ui.js";
export default function Page() { return html`<${PageHead} title="shop" /><${Skeleton} />`; }
