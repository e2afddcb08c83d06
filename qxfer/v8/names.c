/* SPDX-License-Identifier: MIT */
/*
 * The property "name" of a function, where it is its own and not the one that functions are made with:
 * methods of computed keys have it, and V8's stacks show it (JSFunction::GetDebugName).
 *
 * Where properties are kept: src/objects/{map,descriptor-array,property-details}.h, the same from
 * 10.2 to 13.6 (v8dbg_prop_*, v8dbg_bit_field3_*).
 */
#include <string.h>

#include "qxfer/v8/scripts.h"

#define TAG		 1u
#define MAP_SIZE	 8 /* in words */
#define MAP_START	 9 /* of the properties in the object, in words */
#define MAP_BITS	 16
#define MAP_DESCRIPTORS	 40
#define OWN_SHIFT	 10
#define OWN_MASK	 0x3ffu
#define DICTIONARY	 (1u << 21)
#define DESCRIPTORS	 24 /* key, details, value of each */
#define DESCRIPTOR_WORDS 3
#define KEYS_MAX	 64 /* properties that are looked through */
#define PROPERTIES	 8  /* those that have no room in the object */
#define ARRAY_DATA	 16

#define DETAILS_ACCESSOR   1u
#define DETAILS_DESCRIPTOR 32u /* the value is in the descriptor */
#define DETAILS_INDEX(d)   ((d) >> 19 & 0x3ff)

struct shape {
	uint64_t descriptors;
	uint32_t n, words, start;
};

static bool read_shape(const struct v8_heap *h, uint64_t function, struct shape *ret)
{
	uint8_t bytes[MAP_DESCRIPTORS + 8];
	uint64_t map;
	uint32_t bits;

	if (!heap_field(h, function, 0, &map) || !heap_is_object(map) ||
	    mem_read_some(h->mem, map - TAG, bytes, sizeof(bytes)) != sizeof(bytes))
		return false;
	memcpy(&bits, bytes + MAP_BITS, sizeof(bits));
	memcpy(&ret->descriptors, bytes + MAP_DESCRIPTORS, sizeof(ret->descriptors));
	ret->words = bytes[MAP_SIZE];
	ret->start = bytes[MAP_START];
	ret->n = bits >> OWN_SHIFT & OWN_MASK;
	if (ret->n > KEYS_MAX)
		ret->n = KEYS_MAX;
	return !(bits & DICTIONARY) && ret->start <= ret->words;
}

static bool is_name(void *arg, const uint8_t *units, size_t n, bool wide)
{
	bool *same = arg;
	*same = !wide && n == 4 && memcmp(units, "name", 4) == 0;
	return false;
}

static bool is_key(const struct v8_heap *h, uint64_t key)
{
	bool same = false;
	if (heap_string_length(h, key) != 4 || !heap_visit_string(h, key, is_name, &same))
		return false;
	return same;
}

/* The property number @index of the object itself. */
static bool read_property(const struct v8_heap *h, uint64_t function, const struct shape *s,
			  uint32_t index, uint64_t *ret)
{
	uint64_t more;
	uint32_t inside = s->words - s->start;

	if (index < inside)
		return heap_field(h, function, (int)((s->start + index) * 8), ret);
	return heap_field(h, function, PROPERTIES, &more) &&
	       heap_field(h, more, (int)(ARRAY_DATA + (index - inside) * 8), ret);
}

static bool find_name(const struct v8_heap *h, uint64_t function, uint64_t *ret)
{
	struct shape s;
	uint64_t key, details;

	if (!read_shape(h, function, &s))
		return false;
	for (uint32_t i = 0; i < s.n; i++) {
		int at = (int)(DESCRIPTORS + i * DESCRIPTOR_WORDS * 8);
		if (!heap_field(h, s.descriptors, at, &key) || !is_key(h, key))
			continue;
		if (!heap_field(h, s.descriptors, at + 8, &details) || !heap_is_smi(details))
			return false;
		uint32_t d = (uint32_t)heap_smi(details);
		if (d & DETAILS_ACCESSOR)
			return false; /* as all functions have it */
		if (d & DETAILS_DESCRIPTOR)
			return heap_field(h, s.descriptors, at + 16, ret);
		return read_property(h, function, &s, DETAILS_INDEX(d), ret);
	}
	return false;
}

const char *scripts_own_name(struct v8_scripts *s, uint64_t function)
{
	uint64_t name;
	if (!heap_is_function(&s->heap, &function) || !find_name(&s->heap, function, &name) ||
	    !heap_is_string(&s->heap, &name))
		return NULL;
	return scripts_text(s, name);
}
