/* SPDX-License-Identifier: MIT */
#include "tests/fake/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check(bool good, const char *what)
{
	if (!good) {
		fprintf(stderr, "a client would not understand this frame: %s\n", what);
		abort();
	}
}

static void put_run(struct buf *payload, uint8_t count)
{
	check(payload->len > 0, "a run of nothing");
	check(count >= ' ' && count <= '~' && !memchr("#$+-", count, 4), "run length");
	const uint8_t last = payload->data[payload->len - 1]; /* a copy: the buffer moves */
	for (int k = count - 29; k; k--)
		buf_put(payload, &last, 1);
}

/* @at is after the '$'; returns where the '#' is. */
static size_t decode(const struct buf *wire, size_t at, struct buf *payload)
{
	for (; at < wire->len && wire->data[at] != '#'; at++) {
		uint8_t b = wire->data[at];
		check(b != '$', "a raw $");
		if (b == '*') {
			check(++at < wire->len, "cut off");
			put_run(payload, wire->data[at]);
		} else if (b == '}') {
			check(++at < wire->len, "cut off");
			b = wire->data[at] ^ 0x20;
			buf_put(payload, &b, 1);
		} else {
			buf_put(payload, &b, 1);
		}
	}
	return at;
}

static void check_sum(const struct buf *wire, size_t start, size_t hash)
{
	char want[3];
	uint8_t sum = 0;

	check(hash + 2 < wire->len, "cut off");
	for (size_t i = start; i < hash; i++)
		sum += wire->data[i];
	snprintf(want, sizeof(want), "%02x", sum);
	check(memcmp(wire->data + hash + 1, want, 2) == 0, "checksum");
}

bool wire_next(const struct buf *wire, size_t *at, struct buf *payload)
{
	buf_clear(payload);
	while (*at < wire->len && (wire->data[*at] == '+' || wire->data[*at] == '-'))
		++*at;
	if (*at == wire->len)
		return false;
	check(wire->data[*at] == '$', "no $");
	size_t hash = decode(wire, *at + 1, payload);
	check_sum(wire, *at + 1, hash);
	*at = hash + 3;
	return true;
}

/* Requests are not run-length encoded: no client does. */
static void frame(struct buf *wire, const uint8_t *payload, size_t len)
{
	uint8_t sum = 0;

	buf_puts(wire, "$");
	for (size_t i = 0; i < len; i++) {
		uint8_t pair[2] = { '}', payload[i] ^ 0x20 };
		bool escape = memchr("#$}", payload[i], 3);
		buf_put(wire, escape ? pair : &payload[i], escape ? 2 : 1);
	}
	for (size_t i = 1; i < wire->len; i++)
		sum += wire->data[i];
	buf_printf(wire, "#%02x", sum);
}

void wire_send(struct session *s, const void *payload, size_t len)
{
	_cleanup_buf_ struct buf wire = { 0 };

	frame(&wire, payload, len);
	session_feed(s, wire.data, wire.len);
}
