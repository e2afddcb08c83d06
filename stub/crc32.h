/* SPDX-License-Identifier: MIT */
/*
 * The CRC of qCRC (GDB manual, "General Query Packets"): polynomial 0x04c11db7,
 * most significant bit first, started at all ones, not inverted at the end.
 */
#ifndef STUB_CRC32_H
#define STUB_CRC32_H

#include <stddef.h>
#include <stdint.h>

#define CRC32_START 0xffffffffu

/* Eight bytes a step; half a thousand steps pay for making it. */
struct crc32 {
	uint32_t table[8][256];
};

void crc32_init(struct crc32 *c);

/* @crc is CRC32_START or what the piece before gave. */
uint32_t crc32_add(const struct crc32 *c, uint32_t crc, const void *data, size_t len);

#endif
