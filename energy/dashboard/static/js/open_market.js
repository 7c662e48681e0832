// The entry of the market.
import { startPage } from "./start.js";
import { marketScreen } from "./views/operator/auction.js";

await startPage(marketScreen);
