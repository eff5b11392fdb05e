import { render } from "preact";
import type { ReportData } from "../data.ts";
import { Model } from "./model.ts";
import { Page } from "./page.tsx";

const [root, data] = [document.getElementById("page"), document.getElementById("data")];
if (root !== null && data !== null) {
  root.textContent = "";
  render(<Page model={new Model(JSON.parse(data.textContent) as ReportData)} />, root);
}
