// A page that answers what was sent takes the address of one that can be asked for again: Back and reload then lead there.

const { address } = document.querySelector("[data-address]")?.dataset ?? {};

if (address) history.replaceState(history.state, "", address);
