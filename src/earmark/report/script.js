"use strict";
// One clip at a time: starting a player pauses the one before.
document.addEventListener("play", (event) => {
  for (const player of document.querySelectorAll("audio")) {
    if (player !== event.target) player.pause();
  }
}, true);
// Folded parts belong on paper.
addEventListener("beforeprint", () => {
  for (const folded of document.querySelectorAll("details")) folded.open = true;
});
// The list of tags: rows that hold what was typed stay, the others are hidden.
const query = document.getElementById("tag-query");
if (query) {
  const fold = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  const domain = document.getElementById("tag-domain");
  const count = document.getElementById("tag-count");
  const list = document.getElementById("tag-rows");
  const rows = [...list.rows].map((row) => ({
    row,
    text: fold(`${row.cells[1].textContent}\n${row.cells[5].textContent}`),
    domain: row.cells[4].textContent,
  }));
  const filter = () => {
    const wanted = fold(query.value.trim());
    let left = 0;
    for (const { row, text, domain: own } of rows) {
      row.hidden = !text.includes(wanted) || (domain.value !== "" && own !== domain.value);
      if (!row.hidden) left += 1;
    }
    count.textContent = `${left.toLocaleString("en")} ${left === 1 ? "tag" : "tags"}`;
    if (wanted || domain.value) list.closest("details").open = true;
  };
  query.addEventListener("input", filter);
  domain.addEventListener("change", filter);
  // What is printed is the beginning of the whole list.
  addEventListener("beforeprint", () => {
    query.value = domain.value = "";
    filter();
  });
  query.closest(".search").hidden = false;
  if (query.value || domain.value) filter();
}
