/* SPDX-License-Identifier: MIT */
/*
 * What shows other objects or memory: dict views, iterators that have a repr(),
 * arrays, memoryviews, regular expressions, struct sequences, time zones.
 * Objects/{dict,odict,memory,structseq}object.c, Modules/{array,itertools}module.c,
 * Modules/_sre.  The structures have been the same since 3.6.
 */
#include "qxfer/python/values_priv.h"

#include <inttypes.h>
#include <string.h>

#include "qxfer/python/text.h"

#define PATTERN_CHARS 200u
#define MATCH_CHARS   50u
#define MATCH_READ    4096u /* characters; a quote that stands later would change the rest */

/* ---- dict_keys([...]): { head, dict 0 } ---- */

struct err *val_show_dict_view(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	struct val_items it;
	uint64_t dict, pair[2];
	const struct py_type *dict_type;
	bool keys = strstr(t->kind->name, "keys"), items = strstr(t->kind->name, "items");
	struct err *err = val_field(v, addr, 0, &dict);
	if (!err)
		err = val_type_of(v, dict, &dict_type);
	if (!err)
		err = val_items_open(v, dict, t->kind->name[0] == 'o', &it);
	if (err)
		return err;
	buf_puts(v->out, t->tp_name);
	buf_puts(v->out, "([");
	for (size_t i = 0;; i++) {
		err = val_items_next(v, &it, &pair[0], &pair[1]);
		if (err || !pair[0] || !val_item(v, i))
			break;
		if (items)
			buf_puts(v->out, "(");
		if (items || keys)
			val_put(v, pair[0]);
		if (items)
			buf_puts(v->out, ", ");
		if (!keys)
			val_put(v, pair[1]);
		if (items)
			buf_puts(v->out, ")");
	}
	buf_puts(v->out, "])");
	return err;
}

/* ---- itertools ---- */

/* { head, cnt 0, long_cnt 8, long_step 16 } */
struct err *val_show_count(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	uint64_t small, big, step;
	int64_t by;
	struct err *err = val_field(v, addr, 0, &small);
	if (!err)
		err = val_field(v, addr, 8, &big);
	if (!err)
		err = val_field(v, addr, 16, &step);
	if (err)
		return err;
	buf_puts(v->out, t->name);
	buf_puts(v->out, "(");
	if (!big)
		buf_printf(v->out, "%" PRId64, (int64_t)small);
	else
		val_put(v, big);
	if (big && !(val_int(v, step, &by) && by == 1)) {
		buf_puts(v->out, ", ");
		val_put(v, step);
	}
	buf_puts(v->out, ")");
	return NULL;
}

/* { head, element 0, cnt 8 } */
struct err *val_show_repeat(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	uint64_t element, n;
	struct err *err = val_field(v, addr, 0, &element);
	if (!err)
		err = val_field(v, addr, 8, &n);
	if (err)
		return err;
	buf_puts(v->out, t->name);
	buf_puts(v->out, "(");
	val_put(v, element);
	if ((int64_t)n != -1)
		buf_printf(v->out, ", %" PRId64, (int64_t)n);
	buf_puts(v->out, ")");
	return NULL;
}

/* ---- array.array: { head, size 0, items 8, allocated 16, descr 24 } ---- */

static const struct array_code {
	char code;
	uint8_t size;
	char as; /* Signed, Unsigned, Double, Float, Text */
} array_codes[] = {
	{ 'b', 1, 'S' }, { 'B', 1, 'U' }, { 'h', 2, 'S' }, { 'H', 2, 'U' }, { 'i', 4, 'S' },
	{ 'I', 4, 'U' }, { 'l', 8, 'S' }, { 'L', 8, 'U' }, { 'q', 8, 'S' }, { 'Q', 8, 'U' },
	{ 'f', 4, 'F' }, { 'd', 8, 'D' }, { 'u', 4, 'T' }, { 'w', 4, 'T' },
};

static void put_array_item(struct py_values *v, const struct array_code *c, const uint8_t *bytes)
{
	uint64_t u = 0;
	double d;
	float f;
	memcpy(&u, bytes, c->size);
	switch (c->as) {
	case 'D':
		memcpy(&d, bytes, sizeof(d));
		val_put_double(v->out, d);
		break;
	case 'F':
		memcpy(&f, bytes, sizeof(f));
		val_put_double(v->out, (double)f);
		break;
	case 'S':
		u = u << (64 - 8 * c->size);
		buf_printf(v->out, "%" PRId64, (int64_t)u >> (64 - 8 * c->size));
		break;
	default:
		buf_printf(v->out, "%" PRIu64, u);
	}
}

static struct err *put_array_items(struct py_values *v, const struct array_code *c, uint64_t items,
				   uint64_t n)
{
	uint8_t bytes[8];
	buf_puts(v->out, "[");
	for (size_t i = 0; i < n && val_item(v, i); i++) {
		struct err *err = val_read(v, items + i * c->size, bytes, c->size);
		if (err)
			return err;
		put_array_item(v, c, bytes);
	}
	buf_puts(v->out, "]");
	return NULL;
}

static const struct array_code *find_array_code(char code)
{
	for (size_t i = 0; i < sizeof(array_codes) / sizeof(array_codes[0]); i++)
		if (array_codes[i].code == code)
			return &array_codes[i];
	return NULL;
}

struct err *val_show_array(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	uint64_t n, items, descr;
	char code;
	struct err *err = val_field(v, addr, 0, &n);
	if (!err)
		err = val_field(v, addr, 8, &items);
	if (!err)
		err = val_field(v, addr, 24, &descr);
	if (!err)
		err = val_read(v, descr, &code, 1);
	const struct array_code *c = err ? NULL : find_array_code(code);
	if (!err && (!c || n > 1ull << 40))
		err = err_new(ERR_BAD_DATA, "no array at 0x%" PRIx64, addr);
	if (err)
		return err;
	buf_puts(v->out, v->lay.plain_names ? "array" : t->name);
	buf_printf(v->out, n ? "('%c', " : "('%c'", code);
	if (n)
		err = c->as == 'T' ? val_put_units(v, items, n) : put_array_items(v, c, items, n);
	buf_puts(v->out, ")");
	return err;
}

/* ---- memoryview: { head, size 0, mbuf 8, hash 16, flags 24 } ---- */

#define MEMORYVIEW_RELEASED 1u

struct err *val_show_memoryview(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	uint64_t flags;
	(void)t;
	struct err *err = val_field(v, addr, 24, &flags);
	if (err)
		return err;
	buf_puts(v->out, flags & MEMORYVIEW_RELEASED ? "<released memory at " : "<memory at ");
	val_address(v, addr);
	buf_puts(v->out, ">");
	return NULL;
}

/* ---- regular expressions ---- */

/* Cuts what was put since @start to @max characters. */
static void cut(struct py_values *v, size_t start, size_t max)
{
	size_t n = 0;
	for (size_t i = start; i < v->out->len; i++) {
		if ((v->out->data[i] & 0xc0) != 0x80 && n++ == max) {
			v->out->len = i;
			return;
		}
	}
}

static void put_pattern_flags(struct py_values *v, uint32_t flags)
{
	static const struct {
		const char *name;
		uint32_t bit;
	} names[] = {
		{ "re.TEMPLATE", 1 },  { "re.IGNORECASE", 2 }, { "re.LOCALE", 4 },
		{ "re.MULTILINE", 8 }, { "re.DOTALL", 16 },    { "re.UNICODE", 32 },
		{ "re.VERBOSE", 64 },  { "re.DEBUG", 128 },    { "re.ASCII", 256 },
	};
	const char *between = ", ";
	bool template = PY_MINOR(v->off->version_hex) < 0x030d;
	for (size_t i = template ? 0 : 1; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!(flags & names[i].bit))
			continue;
		buf_puts(v->out, between);
		buf_puts(v->out, names[i].name);
		flags &= ~names[i].bit;
		between = "|";
	}
	if (flags)
		buf_printf(v->out, "%s0x%x", between, flags);
}

/* { head, size 0, groups 8, groupindex 16, indexgroup 24, pattern 32, flags 40,
 *   weakreflist 48, isbytes 56 } */
struct err *val_show_pattern(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	uint64_t pattern;
	uint32_t flags;
	int32_t isbytes;
	uint64_t head = v->off->object.var_size;
	(void)t;
	struct err *err = val_field(v, addr, 32, &pattern);
	if (!err)
		err = val_read(v, addr + head + 40, &flags, sizeof(flags));
	if (!err)
		err = val_read(v, addr + head + 56, &isbytes, sizeof(isbytes));
	if (err)
		return err;
	/* re.UNICODE goes without saying. */
	if (isbytes == 0 && (flags & (4 | 32 | 256)) == 32)
		flags &= ~32u;
	buf_puts(v->out, "re.compile(");
	size_t start = v->out->len;
	val_put(v, pattern);
	cut(v, start, PATTERN_CHARS);
	put_pattern_flags(v, flags);
	buf_puts(v->out, ")");
	return NULL;
}

/* { head, size 0, string 8, regs 16, pattern 24, pos 32, endpos 40, lastindex 48,
 *   groups 56, mark 64 (start), 72 (end) } */
struct err *val_show_match(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	uint64_t string, first, end;
	struct err *err = val_field(v, addr, 8, &string);
	if (!err)
		err = val_field(v, addr, 64, &first);
	if (!err)
		err = val_field(v, addr, 72, &end);
	if (err)
		return err;
	if ((int64_t)first < 0 || end < first || end - first > MATCH_READ)
		return val_put_opaque(v, addr, t);
	size_t from = v->out->len;
	buf_puts(v->out, "<");
	buf_puts(v->out, t->tp_name);
	buf_printf(v->out, " object; span=(%" PRIu64 ", %" PRIu64 "), match=", first, end);
	size_t start = v->out->len;
	if (!val_put_slice(v, string, first, end - first, &err)) {
		v->out->len = from;
		return val_put_opaque(v, addr, t);
	}
	cut(v, start, MATCH_CHARS);
	buf_puts(v->out, ">");
	return err;
}

/* ---- struct sequences: a tuple with names in tp_members ---- */

#define MEMBER_SIZE 40u /* PyMemberDef { name 0, type 8, offset 16, ... } */
#define T_OBJECT    6u

/* The name at @i; the members must be what PyStructSequence_InitType() makes. */
static struct err *put_member_name(struct py_values *v, const struct py_type *t, uint64_t i)
{
	uint64_t def[3];
	struct err *err = val_read(v, t->members + MEMBER_SIZE * i, def, sizeof(def));
	if (err)
		return err;
	bool good = def[0] && (uint32_t)def[1] == T_OBJECT &&
		    def[2] >= v->lay.tuple.items + 8 * i && def[2] % 8 == v->lay.tuple.items % 8 &&
		    def[2] < 1u << 16;
	if (!good)
		return err_new(ERR_BAD_DATA, "no struct sequence");
	return val_put_member_name(v, t, t->members + MEMBER_SIZE * i);
}

struct err *val_show_struct_sequence(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	uint64_t n, item;
	struct err *err = val_field(v, addr, 0, &n);
	if (err)
		return err;
	size_t start = v->out->len;
	buf_puts(v->out, t->tp_name);
	buf_puts(v->out, "(");
	for (size_t i = 0; !err && i < n && val_item(v, i); i++) {
		err = put_member_name(v, t, i);
		if (!err)
			err = val_word(v, addr + 8 * i, v->lay.tuple.items, &item);
		buf_puts(v->out, "=");
		if (!err)
			val_put(v, item);
	}
	buf_puts(v->out, ")");
	if (!err)
		return NULL;
	err_drop(err);
	v->out->len = start;
	return val_show_instance(v, addr, t);
}

/* ---- zoneinfo.ZoneInfo: { head, key 0, file_repr 8 }, Modules/_zoneinfo.c ---- */

struct err *val_show_zoneinfo(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	uint64_t key, file;
	struct err *err = val_field(v, addr, 0, &key);
	if (!err)
		err = val_field(v, addr, 8, &file);
	if (err)
		return err;
	buf_puts(v->out, t->tp_name);
	if (!val_is(v, key, "NoneType")) {
		buf_puts(v->out, "(key=");
		val_put(v, key);
	} else {
		buf_puts(v->out, ".from_file(");
		err = val_put_str(v, file);
	}
	buf_puts(v->out, ")");
	return err;
}
