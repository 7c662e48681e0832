// The entry of the plan.
import { startPage } from "./start.js";
import { planScreen } from "./views/operator/plan.js";

await startPage(planScreen);
