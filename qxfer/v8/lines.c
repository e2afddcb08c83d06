/* SPDX-License-Identifier: MIT */
/*
 * Which line of a script a position is in.  V8 keeps where lines end only of scripts that it was asked
 * about; of others they are counted here, by the same rule (String::CalculateLineEnds).
 */
#include <stdlib.h>
#include <string.h>

#include "qxfer/v8/scripts.h"

#define TAG	   1u
#define ARRAY_DATA 16
#define CHUNK	   512u

struct count {
	uint32_t *end;
	size_t n, cap;
	uint32_t at; /* units seen */
	bool cr;     /* the last one was a carriage return */
	bool failed;
};

static void add_end(struct count *c, uint32_t at)
{
	if (c->n == c->cap) {
		size_t cap = c->cap ? c->cap * 2 : 256;
		uint32_t *more =
			cap <= SCRIPTS_LINES_MAX ? reallocarray(c->end, cap, sizeof(*more)) : NULL;
		if (!more) {
			c->failed = true;
			return;
		}
		c->end = more;
		c->cap = cap;
	}
	c->end[c->n++] = at;
}

/* A carriage return ends a line unless a newline follows, which then does. */
static void count_unit(struct count *c, uint16_t unit)
{
	if (c->cr && unit != '\n')
		add_end(c, c->at - 1);
	c->cr = unit == '\r';
	if (unit == '\n' || unit == 0x2028 || unit == 0x2029)
		add_end(c, c->at);
	c->at++;
}

static bool count_units(void *arg, const uint8_t *units, size_t n, bool wide)
{
	struct count *c = arg;
	for (size_t i = 0; i < n && !c->failed; i++) {
		uint16_t unit = units[i];
		if (wide)
			memcpy(&unit, units + i * 2, sizeof(unit));
		count_unit(c, unit);
	}
	return !c->failed;
}

/* From the text itself. */
static bool count_lines(struct v8_scripts *s, uint64_t source, struct count *c)
{
	int32_t n = heap_string_length(&s->heap, source);
	if (n < 0 || n > SCRIPTS_SOURCE_MAX || (uint32_t)n > SCRIPTS_ALL_MAX - s->counted)
		return false;
	s->counted += (uint32_t)n;
	if (!heap_visit_string(&s->heap, source, count_units, c))
		return false;
	if (c->cr)
		add_end(c, c->at - 1);
	add_end(c, c->at);
	return !c->failed;
}

/* From V8's own list, which is in ascending order. */
static bool copy_lines(struct v8_scripts *s, uint64_t ends, struct count *c)
{
	int32_t n = heap_length(&s->heap, ends);
	uint64_t words[CHUNK];

	if (n <= 0 || (uint32_t)n > SCRIPTS_LINES_MAX)
		return false;
	for (uint32_t at = 0; at < (uint32_t)n; at += CHUNK) {
		size_t k = (uint32_t)n - at < CHUNK ? (uint32_t)n - at : CHUNK;
		uint64_t addr = ends - TAG + ARRAY_DATA + at * (uint64_t)8;
		if (mem_read_some(s->heap.mem, addr, words, k * 8) != k * 8)
			return false;
		for (size_t i = 0; i < k && !c->failed; i++) {
			if (!heap_is_smi(words[i]) ||
			    (c->n && c->end[c->n - 1] >= (uint32_t)heap_smi(words[i])))
				return false;
			add_end(c, (uint32_t)heap_smi(words[i]));
		}
	}
	return !c->failed;
}

static void find_lines(struct v8_scripts *s, struct v8_script *script)
{
	const int16_t *value = s->heap.layout->value;
	struct count c = { 0 };
	uint64_t ends, source;

	bool known = heap_field(&s->heap, script->addr, value[V8_SCRIPT_LINE_ENDS], &ends) &&
		     heap_is(&s->heap, &ends, V8_T_FIXED_ARRAY) && copy_lines(s, ends, &c);
	if (!known) {
		c.n = 0;
		known = heap_field(&s->heap, script->addr, value[V8_SCRIPT_SOURCE], &source) &&
			heap_is_string(&s->heap, &source) && count_lines(s, source, &c);
	}
	script->end = known ? arena_alloc(s->arena, c.n * sizeof(*c.end)) : NULL;
	if (script->end) {
		memcpy(script->end, c.end, c.n * sizeof(*c.end));
		script->nlines = c.n;
	} else {
		script->broken = "the script's text cannot be read";
	}
	free(c.end);
}

struct v8_place scripts_place(struct v8_scripts *s, struct v8_script *script, int32_t position)
{
	const struct v8_place none = { 0 };
	size_t lo = 0;

	if (!script->counted && !script->broken)
		find_lines(s, script);
	script->counted = true;
	if (script->broken || position < 0)
		return none;
	for (size_t hi = script->nlines; lo < hi;) {
		size_t mid = lo + (hi - lo) / 2;
		if (script->end[mid] < (uint32_t)position)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (lo == script->nlines)
		return none;
	int32_t column = position - (lo ? (int32_t)script->end[lo - 1] + 1 : 0);
	if (!lo)
		column += script->column_offset;
	return (struct v8_place){ (int32_t)lo + script->line_offset + 1, column + 1 };
}
