"""LON (ISO/IEC 14908-1) through a USB network interface in layer 2 mode.

In the order the bytes travel: `mip_u50`/`mip_u61` (the serial link, behind `interface`), `packets`,
`transactions`, `management`, `discovery`, `driver`.
"""
