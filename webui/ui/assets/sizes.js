// How sizes and names of models are written.

/** Return bytes as a person reads them, such as 98 MB or 4.1 GB. */
export function bytes(count, app) {
  const [unit, value, digits] = count >= 1e9 ? ["gigabyte", count / 1e9, 1] : count >= 1e6 ? ["megabyte", count / 1e6, 0] : ["kilobyte", count / 1e3, 0];
  return new Intl.NumberFormat(app.language, { style: "unit", unit, maximumFractionDigits: digits }).format(value);
}

/** Return the last part of a path or a name; addresses stay whole but for their scheme. */
export function last(reference) {
  return reference.includes("://") ? reference.replaceAll(/(^|,)\s*https?:\/\//g, (_, comma) => (comma ? ", " : "")) : reference.split(/[\\/]/).filter(Boolean).at(-1) ?? "";
}
