/* SPDX-License-Identifier: MIT */
#include "qxfer/python/values_layout.h"

#include <string.h>

#define ARRAY_SIZE(a)  (sizeof(a) / sizeof((a)[0]))
#define AT(member)     offsetof(struct py_layout, member)
#define DEBUG_SIZE_MAX 1024u
#define OFFSET_MAX     4096u /* of any field in any object */

static uint32_t *member(struct py_layout *lay, size_t at)
{
	return (uint32_t *)((char *)lay + at);
}

/* The row for this minor version, or the newest; of several the nearest point release. */
static const struct py_layout *find_row(const struct py_offsets *off)
{
	const struct py_layout *found = NULL;
	uint16_t newest = PY_MINOR(py_layout_table[py_layout_rows - 1].version_hex);
	uint16_t minor = PY_MINOR(off->version_hex);
	if (minor > newest)
		minor = newest;
	for (size_t i = 0; i < py_layout_rows; i++) {
		const struct py_layout *row = &py_layout_table[i];
		if (PY_MINOR(row->version_hex) == minor && row->build == off->build &&
		    (!found || row->version_hex <= off->version_hex))
			found = row;
	}
	return found;
}

static const struct py_debug_layout *find_debug(uint16_t minor)
{
	const struct py_debug_layout *found = NULL;
	for (size_t i = 0; i < py_layout_ndebug; i++)
		if (py_layout_debug[i].minor <= minor)
			found = &py_layout_debug[i];
	return found;
}

/*
 * Structures whose size the interpreter tells: where it is not the row's, the
 * row's other members are not believed.  Size comes first in each.
 */
static const struct group {
	uint16_t begin, end;
} groups[] = {
	{ AT(type), AT(heap_type) }, { AT(dict), AT(keys) },
	{ AT(set), AT(module) },     { AT(generator), AT(exception) },
	{ AT(frame), AT(code) },     { AT(code), sizeof(struct py_layout) },
};

static void distrust(struct py_layout *lay, size_t at, uint32_t size)
{
	for (size_t g = 0; g < ARRAY_SIZE(groups); g++) {
		if (groups[g].begin != at || *member(lay, at) == size)
			continue;
		for (size_t i = at; i < groups[g].end; i += sizeof(uint32_t))
			*member(lay, i) = PY_NONE;
	}
}

static uint32_t debug_value(const uint8_t *data, uint16_t at)
{
	uint64_t v;
	memcpy(&v, data + at, sizeof(v));
	return v <= OFFSET_MAX ? (uint32_t)v : PY_NONE;
}

static struct err *merge_debug(struct mem *m, uint64_t runtime, uint16_t minor,
			       struct py_layout *lay)
{
	const struct py_debug_layout *debug = find_debug(minor);
	uint8_t data[DEBUG_SIZE_MAX];
	if (!debug)
		return NULL;
	struct err *err = mem_read(m, runtime, data, debug->size);
	if (err)
		return err;
	for (size_t i = 0; i < debug->n; i++)
		distrust(lay, debug->fields[i].field, debug_value(data, debug->fields[i].at));
	for (size_t i = 0; i < debug->n; i++)
		*member(lay, debug->fields[i].field) = debug_value(data, debug->fields[i].at);
	return NULL;
}

struct err *py_layout_find(struct mem *m, uint64_t runtime, const struct py_offsets *off,
			   struct py_layout *ret)
{
	uint16_t minor = PY_MINOR(off->version_hex);
	const struct py_layout *row = find_row(off);
	if (!row)
		return err_new(ERR_BAD_DATA, "values of Python 3.%u are not supported",
			       minor & 0xffu);
	struct py_layout lay = *row;
	struct err *err = merge_debug(m, runtime, minor, &lay);
	if (!err)
		*ret = lay;
	return err;
}

const struct py_layout *py_layout_of_lock(const struct py_layout *lay, uint32_t size)
{
	for (size_t i = 0; i < py_layout_rows; i++) {
		const struct py_layout *row = &py_layout_table[i];
		if (PY_MINOR(row->version_hex) == PY_MINOR(lay->version_hex) &&
		    row->build == lay->build && row->lock.size == size)
			return row;
	}
	return NULL;
}
