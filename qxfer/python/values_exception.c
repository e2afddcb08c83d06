/* SPDX-License-Identifier: MIT */
/*
 * Exceptions: their parts, and what str() makes of them.  Objects/exceptions.c; the
 * layout is PyException_HEAD's, see exceptions.c.
 */
#include "qxfer/python/values_priv.h"

#include <inttypes.h>
#include <string.h>

#include "qxfer/python/text.h"

#define BASES_MAX	   64u
#define TP_STR_BEHIND_REPR 48u /* number, sequence, mapping, hash and call are between */

void val_begin(struct py_values *v, struct buf *out)
{
	v->out = out;
	v->start = out->len;
	v->reads = v->limits.reads;
	v->depth = 0;
	v->plain = false;
}

/* ---- layout ---- */

/* Where the members behind the head are: what the type BaseException alone has. */
static uint32_t head_size(const struct py_values *v)
{
	uint32_t notes = PY_MINOR(v->off->version_hex) >= 0x030b ? 8 : 0;
	return v->lay.exception.args + 8 + notes + 3 * 8 + 8;
}

/* A static type of that name from @t on; NULL: none. */
static const struct py_type *find_base(struct py_values *v, const struct py_type *t,
				       const char *name)
{
	for (unsigned int i = 0; t && i < BASES_MAX; i++) {
		if (!(t->flags & TYPE_HEAP) && strcmp(t->tp_name, name) == 0)
			return t;
		struct err *err = t->base ? val_type(v, t->base, &t)
					  : err_new(ERR_NOT_FOUND, "no more bases");
		if (err)
			t = NULL;
		err_drop(err);
	}
	return NULL;
}

static struct err *check_head(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	const struct py_type *base = find_base(v, t, "BaseException");
	if (!base)
		return err_new(ERR_BAD_DATA, "no exception at 0x%" PRIx64, addr);
	if (v->lay.exception.args == PY_NONE || base->basicsize != head_size(v))
		return err_new(ERR_BAD_DATA, "this version's layout of exceptions is not known");
	return NULL;
}

struct err *val_exception(struct py_values *v, uint64_t addr, struct val_exception *ret)
{
	const struct py_type *t;
	uint64_t part[4];
	struct err *err = addr % 8 || !addr
				  ? err_new(ERR_BAD_DATA, "no exception at 0x%" PRIx64, addr)
				  : val_type_of(v, addr, &t);
	if (!err)
		err = check_head(v, addr, t);
	if (!err)
		err = val_read(v, addr + head_size(v) - sizeof(part), part, sizeof(part));
	if (err)
		return err;
	*ret = (struct val_exception){ .traceback = part[0],
				       .context = part[1],
				       .cause = part[2],
				       .suppress = (part[3] & 0xff) != 0 };
	return NULL;
}

/* The object at @index of those that a class has behind the head. */
static struct err *member(struct py_values *v, uint64_t addr, unsigned int index, uint64_t *ret)
{
	return val_word(v, addr + head_size(v), 8 * index, ret);
}

/* ---- str() ---- */

static struct err *tp_str(struct py_values *v, const struct py_type *t, uint64_t *ret)
{
	return val_word(v, t->addr + TP_STR_BEHIND_REPR, v->lay.type.repr, ret);
}

/* Whether str() of a @t is its repr(): object.__str__(), or one function for both. */
static bool str_is_repr(struct py_values *v, const struct py_type *t)
{
	const struct py_type *object = find_base(v, t, "object");
	uint64_t mine = 0, objects = 1;
	struct err *err = object ? tp_str(v, t, &mine) : NULL;
	if (!err && object)
		err = tp_str(v, object, &objects);
	err_drop(err);
	return mine && (mine == objects || mine == t->repr);
}

struct err *val_put_text_of(struct py_values *v, uint64_t addr)
{
	const struct py_type *t;
	bool told;
	if (!addr || addr % 8)
		return err_new(ERR_BAD_DATA, "no object at 0x%" PRIx64, addr);
	struct err *err = val_type_of(v, addr, &t);
	if (err)
		return err;
	if (t->kind && t->exact && strcmp(t->kind->name, "str") == 0)
		return val_put_str(v, addr);
	if (t->kind && strcmp(t->kind->name, "BaseException") == 0) {
		if (v->depth >= v->limits.depth)
			return val_put_opaque(v, addr, t);
		v->depth++;
		err = val_put_exception_text(v, addr, &told);
		v->depth--;
		return err;
	}
	if (!str_is_repr(v, t))
		return val_put_opaque(v, addr, t);
	val_put(v, addr);
	return NULL;
}

/* BaseException_str() of these arguments. */
static struct err *put_args(struct py_values *v, uint64_t args)
{
	uint64_t n;
	if (!val_is(v, args, "tuple"))
		return err_new(ERR_BAD_DATA, "no arguments at 0x%" PRIx64, args);
	struct err *err = val_word(v, args, v->off->object.var_size, &n);
	if (err || !n)
		return err;
	if (n == 1) {
		err = val_word(v, args, v->lay.tuple.items, &args);
		return err ? err : val_put_text_of(v, args);
	}
	val_put(v, args);
	return NULL;
}

static struct err *put_base(struct py_values *v, uint64_t addr)
{
	uint64_t args;
	struct err *err = val_word(v, addr, v->lay.exception.args, &args);
	return err ? err : put_args(v, args);
}

/* KeyError_str(): repr() of the one that is missing, so that '' can be seen. */
static struct err *put_key(struct py_values *v, uint64_t addr)
{
	uint64_t args, n;
	struct err *err = val_word(v, addr, v->lay.exception.args, &args);
	if (!err && !val_is(v, args, "tuple"))
		err = err_new(ERR_BAD_DATA, "no arguments at 0x%" PRIx64, args);
	if (!err)
		err = val_word(v, args, v->off->object.var_size, &n);
	if (err || n != 1)
		return err ? err : put_base(v, addr);
	err = val_word(v, args, v->lay.tuple.items, &args);
	if (!err)
		val_put(v, args);
	return err;
}

static struct err *put_or_none(struct py_values *v, uint64_t addr)
{
	if (addr)
		return val_put_text_of(v, addr);
	buf_puts(v->out, "None");
	return NULL;
}

/* OSError_str(): errno, strerror, filename, filename2 */
static struct err *put_os(struct py_values *v, uint64_t addr)
{
	uint64_t part[4];
	struct err *err = val_read(v, addr + head_size(v), part, sizeof(part));
	if (err)
		return err;
	if (!part[2] && (!part[0] || !part[1]))
		return put_base(v, addr);
	buf_puts(v->out, "[Errno ");
	err = put_or_none(v, part[0]);
	buf_puts(v->out, "] ");
	if (!err)
		err = put_or_none(v, part[1]);
	if (err || !part[2])
		return err;
	buf_puts(v->out, ": ");
	val_put(v, part[2]);
	if (part[3]) {
		buf_puts(v->out, " -> ");
		val_put(v, part[3]);
	}
	return NULL;
}

/* ImportError_str(): msg */
static struct err *put_import(struct py_values *v, uint64_t addr)
{
	uint64_t msg;
	struct err *err = member(v, addr, 0, &msg);
	if (err)
		return err;
	return msg && val_is(v, msg, "str") ? val_put_str(v, msg) : put_base(v, addr);
}

static void put_base_name(struct py_values *v, size_t start)
{
	struct buf *out = v->out;
	for (size_t i = out->len; i > start; i--) {
		if (out->data[i - 1] != '/')
			continue;
		memmove(out->data + start, out->data + i, out->len - i);
		out->len -= i - start;
		return;
	}
}

/* SyntaxError_str(): msg, filename, lineno */
static struct err *put_syntax(struct py_values *v, uint64_t addr)
{
	uint64_t part[3];
	int64_t line;
	struct err *err = val_read(v, addr + head_size(v), part, sizeof(part));
	if (!err)
		err = put_or_none(v, part[0]);
	if (err)
		return err;
	bool file = part[1] && val_is(v, part[1], "str");
	bool numbered = part[2] && val_int(v, part[2], &line);
	if (!file && !numbered)
		return NULL;
	buf_puts(v->out, " (");
	size_t start = v->out->len;
	if (file)
		err = val_put_str(v, part[1]);
	put_base_name(v, start);
	if (numbered)
		buf_printf(v->out, "%sline %" PRId64, file ? ", " : "", line);
	buf_puts(v->out, ")");
	return err;
}

/* UnicodeDecodeError_str(): encoding, object, start, end, reason */
static struct err *put_decode(struct py_values *v, uint64_t addr)
{
	uint64_t part[5], n = 0;
	uint8_t byte;
	struct err *err = val_read(v, addr + head_size(v), part, sizeof(part));
	if (err || !part[1])
		return err;
	int64_t start = (int64_t)part[2], end = (int64_t)part[3];
	if (!val_is(v, part[1], "bytes"))
		return err_new(ERR_BAD_DATA, "no bytes at 0x%" PRIx64, part[1]);
	err = val_word(v, part[1], v->off->bytes.size, &n);
	bool one = start >= 0 && (uint64_t)start < n && end == start + 1;
	if (!err && one)
		err = val_read(v, part[1] + v->off->bytes.data + (uint64_t)start, &byte, 1);
	if (err)
		return err;
	buf_puts(v->out, "'");
	err = put_or_none(v, part[0]);
	if (one)
		buf_printf(v->out, "' codec can't decode byte 0x%02x in position %" PRId64 ": ",
			   byte, start);
	else
		buf_printf(v->out,
			   "' codec can't decode bytes in position %" PRId64 "-%" PRId64 ": ",
			   start, end - 1);
	return err ? err : put_or_none(v, part[4]);
}

/* UnicodeEncodeError_str() */
static struct err *put_encode(struct py_values *v, uint64_t addr)
{
	uint64_t part[5];
	uint32_t c = 0;
	struct err *err = val_read(v, addr + head_size(v), part, sizeof(part));
	if (err || !part[1])
		return err;
	int64_t start = (int64_t)part[2], end = (int64_t)part[3];
	bool one = end == start + 1 && val_str_at(v, part[1], start, &c);
	buf_puts(v->out, "'");
	err = put_or_none(v, part[0]);
	if (one) {
		buf_puts(v->out, "' codec can't encode character '");
		buf_printf(v->out, c <= 0xff ? "\\x%02x" : c <= 0xffff ? "\\u%04x" : "\\U%08x", c);
		buf_printf(v->out, "' in position %" PRId64 ": ", start);
	} else {
		buf_printf(v->out,
			   "' codec can't encode characters in position %" PRId64 "-%" PRId64 ": ",
			   start, end - 1);
	}
	return err ? err : put_or_none(v, part[4]);
}

struct err *val_syntax_error(struct py_values *v, uint64_t addr, uint64_t *part, size_t n)
{
	const struct py_type *t;
	struct err *err = val_type_of(v, addr, &t);
	if (!err && !find_base(v, t, "SyntaxError"))
		err = err_new(ERR_NOT_FOUND, "no SyntaxError at 0x%" PRIx64, addr);
	if (!err)
		err = check_head(v, addr, t);
	return err ? err : val_read(v, addr + head_size(v), part, n * sizeof(*part));
}

struct err *val_group_members(struct py_values *v, uint64_t addr, uint64_t *ret)
{
	const struct py_type *t;
	struct err *err = val_type_of(v, addr, &t);
	if (!err && !find_base(v, t, "BaseExceptionGroup"))
		err = err_new(ERR_NOT_FOUND, "no exception group at 0x%" PRIx64, addr);
	if (!err)
		err = check_head(v, addr, t);
	if (!err)
		err = member(v, addr, 1, ret);
	if (!err && !val_is(v, *ret, "tuple"))
		err = err_new(ERR_BAD_DATA, "no exceptions of a group at 0x%" PRIx64, *ret);
	return err;
}

/* BaseExceptionGroup_str(): msg, excs */
static struct err *put_group(struct py_values *v, uint64_t addr)
{
	uint64_t part[2], n;
	struct err *err = val_read(v, addr + head_size(v), part, sizeof(part));
	if (!err)
		err = put_or_none(v, part[0]);
	if (!err)
		err = val_word(v, part[1], v->off->object.var_size, &n);
	if (!err)
		buf_printf(v->out, " (%" PRIu64 " sub-exception%s)", n, n == 1 ? "" : "s");
	return err;
}

/* Those that have a str() of their own, in C; the last is everybody's base. */
static const struct {
	const char *name;
	struct err *(*put)(struct py_values *v, uint64_t addr);
} strs[] = {
	{ "KeyError", put_key },
	{ "OSError", put_os },
	{ "ImportError", put_import },
	{ "SyntaxError", put_syntax },
	{ "UnicodeDecodeError", put_decode },
	{ "UnicodeEncodeError", put_encode },
	{ "BaseExceptionGroup", put_group },
	{ "BaseException", put_base },
};

struct err *val_put_exception_text(struct py_values *v, uint64_t addr, bool *told)
{
	const struct py_type *t;
	struct err *err = val_type_of(v, addr, &t);
	if (!err)
		err = check_head(v, addr, t);
	for (size_t i = 0; !err && i < sizeof(strs) / sizeof(strs[0]); i++) {
		const struct py_type *base = find_base(v, t, strs[i].name);
		uint64_t mine = 0, its = 1;
		if (!base)
			continue;
		err = tp_str(v, t, &mine);
		if (!err)
			err = tp_str(v, base, &its);
		*told = mine == its;
		if (!err && *told)
			return strs[i].put(v, addr);
		break;
	}
	*told = false;
	if (!err)
		val_put(v, addr);
	return err;
}

struct err *val_put_unmade_text(struct py_values *v, const struct py_type *t, uint64_t value,
				bool *told)
{
	const struct py_type *base = find_base(v, t, "BaseException");
	uint64_t mine = 0, its = 1;
	struct err *err = base ? tp_str(v, t, &mine) : NULL;
	if (!err && base)
		err = tp_str(v, base, &its);
	*told = mine == its;
	if (err)
		return err;
	if (!*told) {
		val_put(v, value);
		return NULL;
	}
	return val_is(v, value, "tuple") ? put_args(v, value) : val_put_text_of(v, value);
}
