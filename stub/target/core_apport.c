/* SPDX-License-Identifier: MIT */
/*
 * Apport's reports (/var/crash/NAME.crash): text, a line "KEY: value" for each thing known,
 * with further lines of it behind a blank.  The value of "CoreDump: base64" is the core,
 * compressed, and each of its lines is base64 of its own.  Apport, problem_report.py.
 */
#include <stdlib.h>
#include <string.h>

#include "stub/target/core_packed.h"

static const char the_key[] = "CoreDump: base64";

enum place { AT_START, IN_KEY, IN_OTHER, IN_CORE, AFTER_CORE };

struct apport {
	enum place place;
	bool found; /* the lines that begin with a blank are the core's */
	char key[sizeof(the_key) + 1];
	size_t key_len;
	uint32_t bits; /* of a group of four characters, the last ones that came */
	unsigned int nbits;
	bool padded; /* nothing may follow in this line */
	const struct core_packing *how;
	void *state;
	uint8_t raw[4096]; /* decoded and not taken: [at, len) */
	size_t at, len;
	const char *fault;
};

void *core_apport_begin(void)
{
	return calloc(1, sizeof(struct apport));
}

void core_apport_finish(void *state)
{
	struct apport *a = state;

	if (a->state)
		a->how->finish(a->state);
	free(a);
}

/* ---- text ---- */

static int value_of(uint8_t c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+' || c == '/')
		return c == '+' ? 62 : 63;
	return -1;
}

static void take_data(struct apport *a, uint8_t c)
{
	int value = value_of(c);

	if (c == '=') {
		a->padded = true;
	} else if (value < 0 || a->padded) {
		a->fault = "its core is no base64";
	} else {
		a->bits = a->bits << 6 | (uint32_t)value;
		a->nbits += 6;
		if (a->nbits >= 8) {
			a->nbits -= 8;
			a->raw[a->len++] = (uint8_t)(a->bits >> a->nbits);
		}
	}
}

static void start_line(struct apport *a, uint8_t c)
{
	a->nbits = 0;
	a->padded = false;
	a->key_len = 0;
	if (c == ' ') {
		a->place = a->found ? IN_CORE : IN_OTHER;
	} else if (a->found) {
		a->place = AFTER_CORE;
	} else {
		a->place = IN_KEY;
		a->key[a->key_len++] = (char)c;
	}
}

static void end_line(struct apport *a)
{
	size_t len = sizeof(the_key) - 1;

	if (a->place == IN_KEY && a->key_len == len && memcmp(a->key, the_key, len) == 0)
		a->found = true;
	a->place = AT_START;
}

static void take(struct apport *a, uint8_t c)
{
	if (a->place == AFTER_CORE)
		return;
	if (c == '\n')
		end_line(a);
	else if (a->place == AT_START)
		start_line(a, c);
	else if (a->place == IN_CORE)
		take_data(a, c);
	else if (a->place == IN_KEY && a->key_len < sizeof(a->key))
		a->key[a->key_len++] = (char)c;
}

static void fill(struct apport *a, struct core_step *s)
{
	memmove(a->raw, a->raw + a->at, a->len - a->at);
	a->len -= a->at;
	a->at = 0;
	while (s->in_len && a->len < sizeof(a->raw) && !a->fault) {
		take(a, *s->in++);
		s->in_len--;
	}
}

/* ---- what is in it ---- */

static void choose(struct apport *a)
{
	for (const struct core_packing *p = core_packings; p->name && !a->how; p++)
		if (p->begin != core_apport_begin && a->len >= p->magic_len &&
		    memcmp(a->raw, p->magic, p->magic_len) == 0)
			a->how = p;
	if (!a->how)
		a->fault = "its core is compressed in an unknown way";
	else if (a->how->library)
		a->fault = "its core is compressed with what this archerfish was built without";
	else if (!(a->state = a->how->begin()))
		a->fault = "out of memory";
}

void core_apport_step(void *state, struct core_step *s)
{
	struct apport *a = state;

	fill(a, s);
	bool last = s->last && !s->in_len;
	if (!a->how && !a->fault && a->len >= sizeof(a->how->magic))
		choose(a);
	if (!a->fault && last && !a->found)
		a->fault = "there is no core in it";
	s->fault = a->fault;
	if (a->fault || !a->how)
		return;
	struct core_step inner = { .in = a->raw + a->at,
				   .in_len = a->len - a->at,
				   .out = s->out,
				   .out_len = s->out_len,
				   .last = last };
	a->how->step(a->state, &inner);
	a->at = a->len - inner.in_len;
	s->out = inner.out;
	s->out_len = inner.out_len;
	s->end = inner.end;
	s->fault = inner.fault;
}
