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
// The explorer: one tag at a time. What it shows comes from the list of tags and the JSON beside it.
const data = document.getElementById("explored");
if (data) {
  const explored = JSON.parse(data.textContent);
  const fold = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  const field = document.getElementById("explore-query");
  const found = document.getElementById("explore-found");
  const at = (name) => document.getElementById(`explore-${name}`);
  const tags = [...document.getElementById("tag-rows").rows].map((row) => ({
    name: row.cells[1].textContent,
    rank: row.cells[0].textContent,
    captions: row.cells[2].textContent,
    domain: row.cells[4].textContent,
    aliases: row.cells[5].textContent,
    text: fold(row.cells[1].textContent),
    all: fold(`${row.cells[1].textContent}\n${row.cells[5].textContent}`),
  }));
  let active = -1;
  const make = (kind, text) => {
    const element = document.createElement(kind);
    element.textContent = text;
    return element;
  };
  // The option at a place becomes the active one; none does at -1.
  const activate = (place) => {
    active = place;
    [...found.children].forEach((option, own) => option.setAttribute("aria-selected", own === place));
    const option = found.children[place];
    if (option) {
      field.setAttribute("aria-activedescendant", option.id);
      option.scrollIntoView({ block: "nearest" });
    } else field.removeAttribute("aria-activedescendant");
  };
  const close = () => {
    found.hidden = true;
    field.setAttribute("aria-expanded", "false");
    activate(-1);
  };
  // Only this is read aloud when it changes; what is shown below is there to be gone through.
  const tell = (text) => {
    at("told").textContent = text;
  };
  const choose = (place) => {
    const tag = tags[place];
    field.value = tag.name;
    close();
    tell(`${tag.name}: ${tag.captions} ${tag.captions === "1" ? "caption" : "captions"}`);
    at("name").textContent = tag.name;
    for (const part of ["captions", "rank", "domain", "aliases"]) {
      at(part).textContent = tag[part] || "–";
    }
    at("near").replaceChildren(...explored.near[place].map(([other, cosine]) => {
      const button = make("button", tags[other].name);
      button.type = "button";
      button.append(make("span", ` ${cosine.toFixed(2)}`));
      button.addEventListener("click", () => {
        choose(other);
        field.focus();
        close();
      });
      const item = document.createElement("li");
      item.append(button);
      return item;
    }));
    if (!explored.near[place].length) {
      at("near").append(make("li", "none shares two clips or more with it"));
    }
    at("clips").replaceChildren(...explored.heard[place].map((clip) => player(explored.clips[clip])));
    if (!explored.heard[place].length) at("clips").append(make("li", "no clip of it is on this page"));
    at("tag").hidden = false;
  };
  const player = ({ name, card, sound }) => {
    const item = document.createElement("li");
    const shown = card && document.getElementById(card).closest(".card").querySelector("audio");
    const source = sound || (shown && shown.src);
    const label = card ? make("a", name) : make("span", name);
    if (card) label.href = `#${card}`;
    label.className = "name";
    item.append(label);
    if (source) {
      const audio = document.createElement("audio");
      audio.controls = true;
      audio.preload = "metadata";
      audio.src = source;
      audio.setAttribute("aria-label", `Play ${name}`);
      item.append(audio);
    }
    return item;
  };
  const offer = () => {
    const wanted = fold(field.value.trim());
    const held = tags.map((tag, place) => ({ ...tag, place })).filter((tag) => tag.all.includes(wanted));
    const order = (tag) => (tag.text === wanted ? 0 : tag.text.startsWith(wanted) ? 1 : 2);
    held.sort((one, other) => order(one) - order(other) || one.place - other.place);
    found.replaceChildren(...held.slice(0, 10).map((tag) => {
      const option = make("li", tag.name);
      option.id = `explore-option-${tag.place}`;
      option.role = "option";
      option.append(make("span", ` ${tag.captions}`));
      option.addEventListener("mousedown", (event) => {
        event.preventDefault();
        choose(tag.place);
      });
      return option;
    }));
    found.hidden = !held.length;
    tell(held.length ? "" : "no match");
    field.setAttribute("aria-expanded", String(held.length > 0));
    activate(wanted && held.length ? 0 : -1);
  };
  field.addEventListener("input", offer);
  field.addEventListener("blur", close);
  field.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      const options = found.children.length;
      if (found.hidden) offer();
      else if (event.key === "ArrowDown") activate((active + 1) % options);
      else activate(active > 0 ? active - 1 : options - 1);
    } else if (event.key === "Enter" && active >= 0) {
      choose(Number(found.children[active].id.split("-").pop()));
    } else if (event.key === "Escape") close();
  });
  field.closest(".search").hidden = false;
  if (tags.length) choose(0);
  field.value = "";
  tell("");
}
