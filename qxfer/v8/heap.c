/* SPDX-License-Identifier: MIT */
#include "qxfer/v8/heap.h"

#include <string.h>

#define TAG	    1u
#define TAG_MASK    3u
#define LOW_ADDRESS 0x10000u
#define HIGH	    (1ull << 47)

/* Fields that have always been there (src/objects/{map,fixed-array}.tq). */
#define MAP_TYPE   12
#define ARRAY_LEN  8
#define ARRAY_DATA 16

bool heap_is_object(uint64_t word)
{
	return (word & TAG_MASK) == TAG && word >= LOW_ADDRESS && word < HIGH;
}

bool heap_is_smi(uint64_t word)
{
	return !(word & UINT32_MAX);
}

int32_t heap_smi(uint64_t word)
{
	return (int32_t)(word >> 32);
}

bool heap_read(const struct v8_heap *h, uint64_t addr, uint64_t *ret)
{
	return mem_read_some(h->mem, addr, ret, sizeof(*ret)) == sizeof(*ret);
}

bool heap_field(const struct v8_heap *h, uint64_t object, int offset, uint64_t *ret)
{
	return heap_is_object(object) && heap_read(h, object - TAG + (uint64_t)offset, ret);
}

bool heap_field_smi(const struct v8_heap *h, uint64_t object, int offset, int32_t *ret)
{
	uint64_t word;
	if (!heap_field(h, object, offset, &word) || !heap_is_smi(word))
		return false;
	*ret = heap_smi(word);
	return true;
}

int heap_type(const struct v8_heap *h, uint64_t *object)
{
	uint64_t map;
	uint16_t type;

	if (!heap_field(h, *object, 0, &map))
		return -1;
	if (!(map & TAG_MASK) && map >= LOW_ADDRESS && map < HIGH) {
		/* It was moved: src/objects/map-word.h. */
		*object = map + TAG;
		if (!heap_field(h, *object, 0, &map))
			return -1;
	}
	if (!heap_is_object(map) ||
	    mem_read_some(h->mem, map - TAG + MAP_TYPE, &type, sizeof(type)) != sizeof(type))
		return -1;
	return type;
}

bool heap_is(const struct v8_heap *h, uint64_t *object, enum v8_value type)
{
	return heap_type(h, object) == h->layout->value[type];
}

bool heap_is_function(const struct v8_heap *h, uint64_t *object)
{
	int type = heap_type(h, object);
	return type >= h->layout->value[V8_T_FUNCTION] &&
	       type <= h->layout->value[V8_T_FUNCTION_LAST];
}

bool heap_is_string(const struct v8_heap *h, uint64_t *object)
{
	int type = heap_type(h, object);
	return type >= 0 && type < h->layout->value[V8_T_NONSTRING];
}

/* ---- arrays ---- */

int32_t heap_length(const struct v8_heap *h, uint64_t array)
{
	int32_t n;
	return heap_field_smi(h, array, ARRAY_LEN, &n) && n >= 0 ? n : -1;
}

bool heap_element(const struct v8_heap *h, uint64_t array, uint32_t index, uint64_t *ret)
{
	int32_t n = heap_length(h, array);
	return n > 0 && index < (uint32_t)n &&
	       heap_read(h, array - TAG + ARRAY_DATA + (uint64_t)index * HEAP_WORD, ret);
}

bool heap_bytes(const struct v8_heap *h, uint64_t array, uint32_t max, struct buf *out)
{
	int32_t n = heap_length(h, array);
	if (n < 0 || (uint32_t)n > max)
		return false;
	uint8_t *room = buf_room(out, (size_t)n);
	if (!room || mem_read_some(h->mem, array - TAG + ARRAY_DATA, room, (size_t)n) != (size_t)n)
		return false;
	out->len += (size_t)n;
	return true;
}
