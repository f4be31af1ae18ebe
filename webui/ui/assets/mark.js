// The sign of the house.

export const SAMOVAR = `<svg viewBox="0 0 48 48" aria-hidden="true" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round">
  <path d="M20 4.5h8l-1.5 4h-5zM18.5 13c0-2.5 1-4.5 3-4.5h5c2 0 3 2 3 4.5"/>
  <path d="M14.5 13h19c1.5 7-.7 13.5-5 18h-9c-4.300-4.5-6.5-11-5-18z"/>
  <path d="M14.300 16.5c-4-1.5-6.300.5-5.800 3s3.5 3.5 6.300 2.5M33.700 16.5c4-1.5 6.300.5 5.800 3s-3.5 3.5-6.300 2.5"/>
  <path d="M21 21h6M24 21v5M24 26l-2 2M19.5 31l-1 4h11l-1-4M16 41c0-3.5 1-6 2.5-6h11c1.5 0 2.5 2.5 2.5 6zM13 44.5h22"/>
</svg>`;
