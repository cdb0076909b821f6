// What a page asks for by itself says so: it is no sign of somebody being there.

const PARAMETER = "unattended";

export const UNATTENDED = { Accept: "text/html", "X-Unattended": "yes" };

export function reloadUnattended() {
  const url = new URL(location.href);
  url.searchParams.set(PARAMETER, "yes");
  location.replace(url);
}

// What was said to the server is not for the address bar, from which somebody reloads.
const here = new URL(location.href);
if (here.searchParams.has(PARAMETER)) {
  here.searchParams.delete(PARAMETER);
  history.replaceState(history.state, "", here);
}
