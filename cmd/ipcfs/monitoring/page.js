// The page as it is now takes the place of the page as it was, every five seconds while somebody looks at it.
"use strict";
const stale = document.getElementById("stale");
async function renew() {
  if (document.hidden) return;
  try {
    const answer = await fetch(location.pathname, { cache: "no-store" });
    if (!answer.ok) throw new Error(answer.statusText);
    const now = new DOMParser().parseFromString(await answer.text(), "text/html");
    document.title = now.title;
    document.querySelector("main").replaceWith(document.adoptNode(now.querySelector("main")));
    stale.hidden = true;
  } catch (_) {
    stale.hidden = false;
  }
}
setInterval(renew, 5000);
document.addEventListener("visibilitychange", renew);
