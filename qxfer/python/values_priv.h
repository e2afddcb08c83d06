/* SPDX-License-Identifier: MIT */
/*
 * What the files values*.c share.  Functions named val_ belong to them alone.
 *
 * A shower appends one object's text, or returns why it cannot: what it appended
 * is then taken back and the reason shown instead.  Objects inside it go through
 * val_put(), which never fails.
 */
#ifndef QXFER_PYTHON_VALUES_PRIV_H
#define QXFER_PYTHON_VALUES_PRIV_H

#include "qxfer/python/values.h"

/* PyTypeObject.tp_flags, Include/object.h. */
#define TYPE_INLINE_VALUES (1ull << 2)
#define TYPE_MANAGED_DICT  (1ull << 4)
#define TYPE_IMMUTABLE	   (1ull << 8)
#define TYPE_HEAP	   (1ull << 9)
#define TYPE_READY	   (1ull << 12)
#define TYPE_LONG	   (1ull << 24)
#define TYPE_TYPE	   (1ull << 31)

typedef struct err *(*val_shower)(struct py_values *v, uint64_t addr, const struct py_type *t);

/* A type of CPython's own. */
struct val_kind {
	const char *name; /* its tp_name */
	val_shower show;
	const char *cycle; /* what an object inside itself is shown as; NULL: has no inside */
	bool iterates;	   /* repr() goes through tp_iter, which a class may replace */
};

extern const struct val_kind val_kinds[];
extern const size_t val_nkinds;

struct py_type {
	uint64_t addr, flags;
	uint64_t repr, iter, members, base, dict, mro; /* addresses, 0: none */
	int64_t basicsize, itemsize, dictoffset, nmembers;
	const char *tp_name; /* UTF-8 */
	const char *name;    /* behind the last dot: type.__name__ */
	/* Of the nearest base that is CPython's own; NULL: it has none that is known. */
	const struct val_kind *kind;
	bool exact;	   /* it is that kind itself */
	bool own_repr;	   /* its repr() is not the kind's */
	val_shower recipe; /* how its Python-coded repr() goes, or NULL */
};

/* ---- values.c ---- */

/* Every read of the inferior is counted. */
struct err *val_read(struct py_values *v, uint64_t addr, void *buf, size_t len) MUST_CHECK;
struct err *val_load(struct py_values *v, uint64_t addr, size_t len, struct obj *ret) MUST_CHECK;
/* The word at @addr + @offset; ERR_BAD_DATA if the offset is PY_NONE. */
struct err *val_word(struct py_values *v, uint64_t addr, uint32_t offset, uint64_t *ret) MUST_CHECK;

void val_put(struct py_values *v, uint64_t addr);
/* As val_put(), with plain instances as object.__repr__() has them. */
void val_put_plain(struct py_values *v, uint64_t addr);
/* Whether the text is as long as it may get. */
bool val_full(const struct py_values *v);
/* The separator before item @i; false: no more of them, "..." was put. */
bool val_item(struct py_values *v, size_t i);
void val_address(struct py_values *v, uint64_t addr);
/* <Type at 0x..>, and the same for what has an inside. */
struct err *val_put_opaque(struct py_values *v, uint64_t addr, const struct py_type *t);

/* What follows appends to @out, as one value that is bounded as such. */
void val_begin(struct py_values *v, struct buf *out);

/* ---- values_type.c ---- */

/* Lent until py_values_end(). */
struct err *val_type(struct py_values *v, uint64_t type, const struct py_type **ret) MUST_CHECK;
struct err *val_type_of(struct py_values *v, uint64_t addr, const struct py_type **ret) MUST_CHECK;
/* Whether @addr is of the type that val_kinds calls @name, or of a class of it. */
bool val_is(struct py_values *v, uint64_t addr, const char *name);
/*
 * The attribute @name of a class, in its own or its bases' dicts; *ret is 0 if none
 * has it.  *owner, if asked for, is the class in whose dict it is.
 */
struct err *val_class_attr(struct py_values *v, const struct py_type *t, const char *name,
			   uint64_t *ret, uint64_t *owner) MUST_CHECK;
/* The same in the dict of the class at @type alone. */
struct err *val_own_attr(struct py_values *v, uint64_t type, const char *name,
			 uint64_t *ret) MUST_CHECK;
/* "Name" or "module.Name" as type.__repr__() has it. */
struct err *val_put_type_name(struct py_values *v, const struct py_type *t) MUST_CHECK;
struct err *val_put_qualname(struct py_values *v, const struct py_type *t) MUST_CHECK;

/* ---- values_dict.c ---- */

struct val_dict {
	uint64_t keys, values; /* values: of a split dict, or 0 */
	uint64_t entries, n, i;
	uint32_t entry_size;
	uint8_t order[256]; /* of a split dict */
};

struct err *val_dict_open(struct py_values *v, uint64_t addr, struct val_dict *ret) MUST_CHECK;
/* As val_dict_open() of keys and values that belong to no dict object. */
struct err *val_split_open(struct py_values *v, uint64_t keys, uint64_t values,
			   struct val_dict *ret) MUST_CHECK;
/* The next item; *key is 0 behind the last. */
struct err *val_dict_next(struct py_values *v, struct val_dict *d, uint64_t *key,
			  uint64_t *value) MUST_CHECK;
struct err *val_dict_find(struct py_values *v, uint64_t dict, const char *name,
			  uint64_t *ret) MUST_CHECK;

/* ---- values_text.c ---- */

/* The characters of a str object without quotes or escapes beyond text.h's. */
struct err *val_put_str(struct py_values *v, uint64_t addr) MUST_CHECK;
/* Whether the object is the str @text, which is ASCII. */
bool val_str_is(struct py_values *v, uint64_t addr, const char *text);

/* The character at @i of a str; false: it has none there, or is no str. */
bool val_str_at(struct py_values *v, uint64_t addr, int64_t i, uint32_t *ret);

/* Ranges of code points, sorted. */
extern const struct py_unprintable {
	uint32_t first, last;
} py_unprintable[];
extern const size_t py_nunprintable;

/* ---- values_number.c ---- */

/* An int that fits; false if it does not, or is none. */
bool val_int(struct py_values *v, uint64_t addr, int64_t *ret);

/* ---- values_instance.c ---- */

/* The attribute of an instance, in a slot or its dict; *ret is 0 if it has none. */
struct err *val_attr(struct py_values *v, uint64_t addr, const struct py_type *t, const char *name,
		     uint64_t *ret) MUST_CHECK;
/*
 * Opens the attributes that are in an instance's dict, or would be if it had been
 * made; *has is false if there are none.
 */
struct err *val_attrs_open(struct py_values *v, uint64_t addr, const struct py_type *t,
			   struct val_dict *ret, bool *has) MUST_CHECK;

/* ---- values_exception.c ---- */

struct val_exception {
	uint64_t traceback, context, cause; /* 0: none */
	bool suppress;			    /* the context, when shown */
};

struct err *val_exception(struct py_values *v, uint64_t addr, struct val_exception *ret) MUST_CHECK;
/*
 * What str() makes of an exception; where that is code of its class, its repr(), and
 * *told is false.
 */
struct err *val_put_exception_text(struct py_values *v, uint64_t addr, bool *told) MUST_CHECK;
/* The same of one that is to be made: of its class @t and what it will be made of. */
struct err *val_put_unmade_text(struct py_values *v, const struct py_type *t, uint64_t value,
				bool *told) MUST_CHECK;
/* What str() makes of any object; <Type at 0x..> where that is code. */
struct err *val_put_text_of(struct py_values *v, uint64_t addr) MUST_CHECK;

/* ---- values_recipes.c ---- */

/* How the Python-coded repr() of a class goes, if it is known. */
struct err *val_recipe_find(struct py_values *v, const struct py_type *t,
			    val_shower *ret) MUST_CHECK;

/* Showers of values_number.c. */
struct err *val_show_int(struct py_values *v, uint64_t addr, const struct py_type *t) MUST_CHECK;
struct err *val_show_bool(struct py_values *v, uint64_t addr, const struct py_type *t) MUST_CHECK;
struct err *val_show_float(struct py_values *v, uint64_t addr, const struct py_type *t) MUST_CHECK;
struct err *val_show_complex(struct py_values *v, uint64_t addr,
			     const struct py_type *t) MUST_CHECK;

/* Showers of values_text.c. */
struct err *val_show_str(struct py_values *v, uint64_t addr, const struct py_type *t) MUST_CHECK;
struct err *val_show_bytes(struct py_values *v, uint64_t addr, const struct py_type *t) MUST_CHECK;
struct err *val_show_bytearray(struct py_values *v, uint64_t addr,
			       const struct py_type *t) MUST_CHECK;

/* Showers of values_seq.c. */
struct err *val_show_tuple(struct py_values *v, uint64_t addr, const struct py_type *t) MUST_CHECK;
struct err *val_show_list(struct py_values *v, uint64_t addr, const struct py_type *t) MUST_CHECK;
struct err *val_show_set(struct py_values *v, uint64_t addr, const struct py_type *t) MUST_CHECK;
struct err *val_show_frozenset(struct py_values *v, uint64_t addr,
			       const struct py_type *t) MUST_CHECK;
struct err *val_show_deque(struct py_values *v, uint64_t addr, const struct py_type *t) MUST_CHECK;
struct err *val_show_range(struct py_values *v, uint64_t addr, const struct py_type *t) MUST_CHECK;
struct err *val_show_slice(struct py_values *v, uint64_t addr, const struct py_type *t) MUST_CHECK;

/* Showers of values_dict.c. */
struct err *val_show_dict(struct py_values *v, uint64_t addr, const struct py_type *t) MUST_CHECK;
struct err *val_show_defaultdict(struct py_values *v, uint64_t addr,
				 const struct py_type *t) MUST_CHECK;
struct err *val_show_ordered_dict(struct py_values *v, uint64_t addr,
				  const struct py_type *t) MUST_CHECK;
struct err *val_show_mapping_proxy(struct py_values *v, uint64_t addr,
				   const struct py_type *t) MUST_CHECK;
struct err *val_show_frozen_dict(struct py_values *v, uint64_t addr,
				 const struct py_type *t) MUST_CHECK;
struct err *val_show_namespace(struct py_values *v, uint64_t addr,
			       const struct py_type *t) MUST_CHECK;

/* Showers of values_code.c. */
struct err *val_show_none(struct py_values *v, uint64_t addr, const struct py_type *t) MUST_CHECK;
struct err *val_show_ellipsis(struct py_values *v, uint64_t addr,
			      const struct py_type *t) MUST_CHECK;
struct err *val_show_not_implemented(struct py_values *v, uint64_t addr,
				     const struct py_type *t) MUST_CHECK;
struct err *val_show_function(struct py_values *v, uint64_t addr,
			      const struct py_type *t) MUST_CHECK;
struct err *val_show_method(struct py_values *v, uint64_t addr, const struct py_type *t) MUST_CHECK;
struct err *val_show_builtin(struct py_values *v, uint64_t addr,
			     const struct py_type *t) MUST_CHECK;
struct err *val_show_module(struct py_values *v, uint64_t addr, const struct py_type *t) MUST_CHECK;
struct err *val_show_type(struct py_values *v, uint64_t addr, const struct py_type *t) MUST_CHECK;
struct err *val_show_code(struct py_values *v, uint64_t addr, const struct py_type *t) MUST_CHECK;
struct err *val_show_exception(struct py_values *v, uint64_t addr,
			       const struct py_type *t) MUST_CHECK;
struct err *val_show_cell(struct py_values *v, uint64_t addr, const struct py_type *t) MUST_CHECK;
struct err *val_show_generator(struct py_values *v, uint64_t addr,
			       const struct py_type *t) MUST_CHECK;
struct err *val_show_lock(struct py_values *v, uint64_t addr, const struct py_type *t) MUST_CHECK;
struct err *val_show_rlock(struct py_values *v, uint64_t addr, const struct py_type *t) MUST_CHECK;

/* Showers of values_instance.c. */
struct err *val_show_object(struct py_values *v, uint64_t addr, const struct py_type *t) MUST_CHECK;
struct err *val_show_instance(struct py_values *v, uint64_t addr,
			      const struct py_type *t) MUST_CHECK;

/* Showers of values_lib.c. */
struct err *val_show_decimal(struct py_values *v, uint64_t addr,
			     const struct py_type *t) MUST_CHECK;
struct err *val_show_date(struct py_values *v, uint64_t addr, const struct py_type *t) MUST_CHECK;
struct err *val_show_time(struct py_values *v, uint64_t addr, const struct py_type *t) MUST_CHECK;
struct err *val_show_datetime(struct py_values *v, uint64_t addr,
			      const struct py_type *t) MUST_CHECK;
struct err *val_show_timedelta(struct py_values *v, uint64_t addr,
			       const struct py_type *t) MUST_CHECK;
struct err *val_show_timezone(struct py_values *v, uint64_t addr,
			      const struct py_type *t) MUST_CHECK;

#endif
