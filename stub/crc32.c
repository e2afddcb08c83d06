/* SPDX-License-Identifier: MIT */
#include "stub/crc32.h"

#define POLYNOMIAL 0x04c11db7u

void crc32_init(struct crc32 *c)
{
	for (uint32_t b = 0; b < 256; b++) {
		uint32_t crc = b << 24;
		for (int bit = 0; bit < 8; bit++)
			crc = crc << 1 ^ (crc >> 31 ? POLYNOMIAL : 0);
		c->table[0][b] = crc;
	}
	/* table[k][b]: what b does when k more bytes follow it. */
	for (int k = 1; k < 8; k++)
		for (uint32_t b = 0; b < 256; b++)
			c->table[k][b] =
				c->table[k - 1][b] << 8 ^ c->table[0][c->table[k - 1][b] >> 24];
}

uint32_t crc32_add(const struct crc32 *c, uint32_t crc, const void *data, size_t len)
{
	const uint8_t *p = data;

	for (; len >= 8; len -= 8, p += 8) {
		crc ^= (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
		crc = c->table[7][crc >> 24] ^ c->table[6][crc >> 16 & 0xff] ^
		      c->table[5][crc >> 8 & 0xff] ^ c->table[4][crc & 0xff] ^ c->table[3][p[4]] ^
		      c->table[2][p[5]] ^ c->table[1][p[6]] ^ c->table[0][p[7]];
	}
	for (; len; len--, p++)
		crc = crc << 8 ^ c->table[0][crc >> 24 ^ *p];
	return crc;
}
