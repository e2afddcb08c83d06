/* SPDX-License-Identifier: MIT */
#include "qxfer/python/offsets.h"

#include <string.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define AT(member)    offsetof(struct py_offsets, member)

/* The largest _Py_DebugOffsets known (888 bytes in 3.15) and some room. */
#define DEBUG_SIZE_MAX 1024u

static uint32_t *member(struct py_offsets *off, size_t at)
{
	return (uint32_t *)((char *)off + at);
}

static uint32_t member_of(const struct py_offsets *off, size_t at)
{
	return *(const uint32_t *)((const char *)off + at);
}

/*
 * What the walker does with an offset bounds it: the runtime and the
 * interpreter are read field by field, the rest is copied into a struct obj.
 */
static const struct limit {
	uint32_t max;
	uint16_t at;
	bool needed;
} limits[] = {
	{ 1u << 24, AT(runtime.interpreters_head), true },
	{ 1u << 24, AT(runtime.gil), false },
	{ 1u << 24, AT(runtime.gc_collecting), false },
	{ 1u << 24, AT(interp.next), true },
	{ 1u << 24, AT(interp.id), false },
	{ 1u << 24, AT(interp.threads_head), true },
	{ 1u << 24, AT(interp.gc_collecting), false },
	{ 1u << 24, AT(interp.modules), false },
	{ 1u << 24, AT(interp.sysdict), false },
	{ 1u << 24, AT(interp.gil), false },
	{ 1u << 24, AT(interp.code_generation), false },
	{ 1u << 24, AT(interp.stopper), false },
	{ 256, AT(gil.last_holder), false },
	{ 256, AT(gil.locked), false },
	{ 480, AT(tstate.next), true },
	{ 480, AT(tstate.interp), true },
	{ 480, AT(tstate.thread_id), true },
	{ 480, AT(tstate.native_thread_id), false },
	{ 480, AT(tstate.raising), false },
	{ 480, AT(tstate.raising_value), false },
	{ 480, AT(tstate.raising_traceback), false },
	{ 480, AT(tstate.handled), false },
	{ 480, AT(tstate.handled_traceback), false },
	{ 480, AT(tstate.exc_info), false },
	{ 480, AT(tstate.datastack_chunk), false },
	{ 480, AT(tstate.datastack_top), false },
	{ 480, AT(tstate.frame), true },
	{ 480, AT(cframe.innermost), false },
	{ 480, AT(cframe.root), false },
	{ 256, AT(cframe.current_frame), false },
	{ 256, AT(cframe.previous), false },
	{ 64, AT(exc_item.value), false },
	{ 64, AT(exc_item.previous), false },
	{ 240, AT(frame.code), true },
	{ 240, AT(frame.previous), true },
	{ 240, AT(frame.instr), true },
	{ 240, AT(frame.owner), false },
	{ 240, AT(frame.is_entry), false },
	{ 240, AT(frame.tlbc_index), false },
	{ 240, AT(frame.generator), false },
	{ 240, AT(frame.executing), false },
	{ 240, AT(frame.state), false },
	{ 480, AT(code.filename), true },
	{ 480, AT(code.name), true },
	{ 480, AT(code.qualname), false },
	{ 480, AT(code.linetable), true },
	{ 480, AT(code.first_line), true },
	{ 480, AT(code.first_traceable), false },
	{ 512, AT(code.bytecode), false },
	{ 480, AT(code.tlbc), false },
	{ 480, AT(code.bytes), false },
	{ 64, AT(str.length), true },
	{ 64, AT(str.state), true },
	{ 128, AT(str.ascii_size), true },
	{ 128, AT(str.compact_size), true },
	{ 128, AT(str.wstr), false },
	{ 128, AT(str.wstr_length), false },
	{ 64, AT(bytes.size), true },
	{ 128, AT(bytes.data), true },
	{ 64, AT(object.type), true },
	{ 64, AT(object.var_size), true },
	{ 256, AT(type.name), true },
	{ 256, AT(type.basicsize), false },
	{ 256, AT(type.flags), false },
	{ 512, AT(type.dictoffset), false },
	{ 2048, AT(type.cached_keys), false },
	{ 64, AT(integer.tag), false },
	{ 64, AT(integer.digits), false },
	{ 128, AT(dict.keys), false },
	{ 128, AT(dict.values), false },
	{ 64, AT(keys.log2_index_bytes), false },
	{ 64, AT(keys.kind), false },
	{ 64, AT(keys.nentries), false },
	{ 64, AT(keys.indices), false },
	{ 64, AT(keys.size), false },
	{ 64, AT(values.values), false },
	{ 128, AT(module.dict), false },
};

struct err *py_offsets_check(const struct py_offsets *off)
{
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		uint32_t v = member_of(off, limits[i].at);
		if (v == PY_NONE ? limits[i].needed : v > limits[i].max)
			return err_new(ERR_BAD_DATA, "python offset %zu is implausible: %u", i, v);
	}
	if ((off->lasti_unit ? off->code.bytes : off->code.bytecode) == PY_NONE ||
	    (!off->lasti_unit && off->frame.owner == PY_NONE))
		return err_new(ERR_BAD_DATA, "python offsets lack the instructions");
	if (off->code.first_line > py_offsets_code_span(off) ||
	    off->str.state + 4 > off->str.ascii_size || off->str.length + 8 > off->str.ascii_size)
		return err_new(ERR_BAD_DATA, "python offsets contradict each other");
	return NULL;
}

static uint32_t span(const struct py_offsets *off, size_t from, size_t to)
{
	uint32_t max = 0;
	for (size_t at = from; at < to; at += sizeof(uint32_t)) {
		uint32_t v = member_of(off, at);
		if (v != PY_NONE && v > max)
			max = v;
	}
	return max + 8;
}

uint32_t py_offsets_tstate_span(const struct py_offsets *off)
{
	return span(off, AT(tstate.next), AT(cframe));
}

uint32_t py_offsets_code_span(const struct py_offsets *off)
{
	return off->code.bytecode != PY_NONE ? off->code.bytecode
					     : span(off, AT(code.filename), AT(str));
}

uint32_t py_offsets_frame_span(const struct py_offsets *off)
{
	return span(off, AT(frame.code), AT(code));
}

const struct py_offsets *py_offsets_find(uint32_t version_hex, enum py_build build)
{
	const struct py_offsets *found = NULL;
	for (size_t i = 0; i < py_offsets_rows; i++) {
		const struct py_offsets *row = &py_offsets_table[i];
		bool fits =
			PY_MINOR(row->version_hex) == PY_MINOR(version_hex) && row->build == build;
		/* The newest point release that is not newer than this one, if there is one. */
		if (fits && (!found || row->version_hex <= version_hex))
			found = row;
	}
	return found;
}

/* The structures whose size both a row and _Py_DebugOffsets know; size comes first in each. */
static const struct group {
	uint16_t begin, end;
} groups[] = {
	{ AT(runtime), AT(interp) }, { AT(interp), AT(gil) }, { AT(tstate), AT(cframe) },
	{ AT(frame), AT(code) },     { AT(code), AT(str) },
};

struct debug {
	const struct py_debug_layout *layout;
	uint8_t data[DEBUG_SIZE_MAX];
};

static uint64_t debug_value(const struct debug *d, uint16_t at)
{
	uint64_t v = 0;
	if (at)
		memcpy(&v, d->data + at, sizeof(v));
	return v;
}

/* The value for one member; PY_NONE if this layout lacks it or it is absurd. */
static uint32_t debug_field(const struct debug *d, size_t member_at)
{
	for (size_t i = 0; i < d->layout->n; i++) {
		const struct py_debug_field *f = &d->layout->fields[i];
		if (f->field != member_at)
			continue;
		uint64_t v =
			debug_value(d, f->at) + debug_value(d, f->plus) - debug_value(d, f->minus);
		return v < PY_NONE ? (uint32_t)v : PY_NONE;
	}
	return PY_NONE;
}

/* Of the rows for @minor (or the newest), the one with most structure sizes confirmed. */
static const struct py_offsets *best_row(const struct debug *d, uint16_t minor, enum py_build build)
{
	const struct py_offsets *best = NULL;
	unsigned int most = 0;
	for (size_t i = 0; i < py_offsets_rows; i++) {
		const struct py_offsets *row = &py_offsets_table[i];
		if (PY_MINOR(row->version_hex) != minor || row->build != build)
			continue;
		unsigned int same = 0;
		for (size_t g = 0; g < ARRAY_SIZE(groups); g++)
			same += member_of(row, groups[g].begin) == debug_field(d, groups[g].begin);
		if (!best || same >= most) {
			best = row;
			most = same;
		}
	}
	return best;
}

static const struct py_debug_layout *find_layout(uint32_t version_hex, bool *verified)
{
	const struct py_debug_layout *newest = &py_debug_layouts[py_debug_nlayouts - 1];
	*verified = true;
	for (size_t i = 0; i < py_debug_nlayouts; i++)
		if (py_debug_layouts[i].minor == PY_MINOR(version_hex))
			return &py_debug_layouts[i];
	*verified = false;
	return PY_MINOR(version_hex) > newest->minor ? newest : NULL;
}

/* The row's members, without those of structures that turn out to differ, then d's own. */
static void merge(const struct debug *d, const struct py_offsets *row, struct py_offsets *ret)
{
	*ret = *row;
	for (size_t g = 0; g < ARRAY_SIZE(groups); g++) {
		if (member_of(row, groups[g].begin) == debug_field(d, groups[g].begin))
			continue;
		for (size_t at = groups[g].begin; at < groups[g].end; at += sizeof(uint32_t))
			*member(ret, at) = PY_NONE;
	}
	for (size_t i = 0; i < d->layout->n; i++) {
		size_t at = d->layout->fields[i].field;
		*member(ret, at) = debug_field(d, at);
	}
}

struct err *py_offsets_debug(struct mem *m, uint64_t addr, struct py_offsets *ret, bool *verified)
{
	struct {
		char cookie[PY_COOKIE_SIZE];
		uint64_t version, free_threaded;
	} head;
	struct err *err = mem_read(m, addr, &head, sizeof(head));
	if (err)
		return err;
	if (memcmp(head.cookie, PY_COOKIE, sizeof(head.cookie)) != 0)
		return err_new(ERR_NOT_FOUND, "no _Py_DebugOffsets at 0x%llx",
			       (unsigned long long)addr);
	if (head.version >> 32 || head.version >> 24 != 3 || head.free_threaded > 1)
		return err_new(ERR_BAD_DATA, "version 0x%llx of _Py_DebugOffsets is implausible",
			       (unsigned long long)head.version);
	unsigned int minor = head.version >> 16 & 0xff;
	enum py_build build = head.free_threaded ? PY_BUILD_FREE_THREADED : PY_BUILD_GIL;

	struct debug d = { .layout = find_layout((uint32_t)head.version, verified) };
	if (!d.layout)
		return err_new(ERR_BAD_DATA, "Python 3.%u is not supported", minor);
	err = mem_read(m, addr, d.data, d.layout->size);
	if (err)
		return err;
	const struct py_offsets *row = best_row(&d, d.layout->minor, build);
	if (!row)
		return err_new(ERR_BAD_DATA, "free-threaded Python 3.%u is not supported", minor);
	struct py_offsets off;
	merge(&d, row, &off);
	*verified = *verified && !row->untested;
	off.version_hex = (uint32_t)head.version;
	err = py_offsets_check(&off);
	if (!err)
		*ret = off;
	return err;
}
