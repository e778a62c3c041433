"""Facts about hosting and mail providers, as data with their sources, and what reads them."""
