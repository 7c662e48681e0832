// The words of the page, in one language; a key that is missing is an error and not an empty label.
// `more` names further catalogues, for pages with many words of their own; every page may be refused.
export async function loadWords(assets, language, ...more) {
  const read = async (name) => {
    const answer = await fetch(`${assets}/i18n/${name}.json`);
    if (!answer.ok) throw new Error(`catalogue ${name}: ${answer.status}`);
    return answer.json();
  };
  const found = await Promise.all([language, ...["problems", ...more].map((name) => `${name}.${language}`)].map(read));
  return makeWords(Object.assign({}, ...found), language);
}

export function makeWords(catalogue, language) {
  const plural = new Intl.PluralRules(language);
  function text(key, values = {}) {
    const template = catalogue[key];
    if (template === undefined) throw new Error(`no text for ${key} in ${language}`);
    return template.replace(/\{(\w+)\}/g, (_, name) => {
      if (values[name] === undefined) throw new Error(`text ${key} needs ${name}`);
      return values[name];
    });
  }
  // `key.one` and `key.other`; the shown number comes formatted, the choice needs the true one.
  text.count = (key, count, shown) => text(`${key}.${plural.select(count)}`, { n: shown ?? count });
  text.has = (key) => catalogue[key] !== undefined;
  text.language = language;
  return text;
}
