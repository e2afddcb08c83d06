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
	const char *cycle; /* with a recipe: what it shows inside itself, "" if nothing fixed */
};

/* ---- values.c ---- */

/* Every read of the inferior is counted. */
struct err *val_read(struct py_values *v, uint64_t addr, void *buf, size_t len) MUST_CHECK;
struct err *val_load(struct py_values *v, uint64_t addr, size_t len, struct obj *ret) MUST_CHECK;
/* The word at @addr + @offset; ERR_BAD_DATA if the offset is PY_NONE. */
struct err *val_word(struct py_values *v, uint64_t addr, uint32_t offset, uint64_t *ret) MUST_CHECK;

/* The word at @at behind the head that every object has, whatever the build. */
static inline struct err *val_field(struct py_values *v, uint64_t addr, uint32_t at, uint64_t *ret)
{
	return val_word(v, addr + at, v->off->object.var_size, ret);
}

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
/* The same, but no class of it. */
bool val_is_exactly(struct py_values *v, uint64_t addr, const char *name);
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

/* ---- values_names.c ---- */

/*
 * What is to be taken for the tp_name of a type where that cannot be read; lent until
 * py_values_end().
 */
const char *val_name_otherwise(struct py_values *v, const struct py_type *t);
/* sys.modules of the main interpreter; 0: not found. */
uint64_t val_modules(struct py_values *v);
/* The name of the member of @t whose PyMemberDef is at @def. */
struct err *val_put_member_name(struct py_values *v, const struct py_type *t,
				uint64_t def) MUST_CHECK;

/* ---- values_dict.c ---- */

struct val_dict {
	uint64_t object;       /* the dict; 0: there is none yet */
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

/* The items of a dict, or of an OrderedDict in its own order. */
struct val_items {
	struct val_dict d;
	uint64_t dict, node;
	bool ordered;
};

struct err *val_items_open(struct py_values *v, uint64_t dict, bool ordered,
			   struct val_items *ret) MUST_CHECK;
/* As val_dict_next(). */
struct err *val_items_next(struct py_values *v, struct val_items *it, uint64_t *key,
			   uint64_t *value) MUST_CHECK;

/* ---- values_text.c ---- */

/* The characters of a str object without quotes or escapes beyond text.h's. */
struct err *val_put_str(struct py_values *v, uint64_t addr) MUST_CHECK;
/* Whether the object is the str @text, UTF-8. */
bool val_str_is(struct py_values *v, uint64_t addr, const char *text);

/* The character at @i of a str; false: it has none there, or is no str. */
bool val_str_at(struct py_values *v, uint64_t addr, int64_t i, uint32_t *ret);
/*
 * Appends the repr() of text[first:first + n] of a str or bytes object; false: it is
 * neither of them.
 */
bool val_put_slice(struct py_values *v, uint64_t addr, uint64_t first, uint64_t n,
		   struct err **ret);
/* The characters of a str object; ERR_NOT_FOUND if they are more than @room. */
struct err *val_get_str(struct py_values *v, uint64_t addr, uint32_t *text, size_t room,
			size_t *n) MUST_CHECK;
/* The repr() of @n characters of four bytes in the inferior, cut as that of a str is. */
struct err *val_put_units(struct py_values *v, uint64_t data, uint64_t n) MUST_CHECK;
/* The repr() of the str of these characters; of the bytes of these values. */
void val_put_quoted(struct py_values *v, const uint32_t *text, size_t n);
void val_put_byte_string(struct py_values *v, const uint32_t *text, size_t n);
/* @n characters of a str object from @first on; ERR_BAD_DATA if it has not so many. */
struct err *val_get_part(struct py_values *v, uint64_t addr, uint64_t first, size_t n,
			 uint32_t *ret) MUST_CHECK;

/* Ranges of code points, sorted. */
extern const struct py_unprintable {
	uint32_t first, last;
} py_unprintable[];
extern const size_t py_nunprintable;

/* ---- values_number.c ---- */

/* An int that fits; false if it does not, or is none. */
bool val_int(struct py_values *v, uint64_t addr, int64_t *ret);
/* The same of 128 bits without sign, the lower ones first. */
bool val_int128(struct py_values *v, uint64_t addr, uint64_t ret[2]);
/* The repr() of a float. */
void val_put_double(struct buf *out, double x);

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
/* The first @n members of a SyntaxError, msg being one; ERR_NOT_FOUND: it is none. */
struct err *val_syntax_error(struct py_values *v, uint64_t addr, uint64_t *part,
			     size_t n) MUST_CHECK;
/* The tuple of the exceptions in a group; ERR_NOT_FOUND: it is none. */
struct err *val_group_members(struct py_values *v, uint64_t addr, uint64_t *ret) MUST_CHECK;
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

/* ---- values_code.c ---- */

/* Whether a _thread.lock is locked; ERR_NOT_FOUND if its layout is not known. */
struct err *val_lock_state(struct py_values *v, uint64_t addr, const struct py_type *t,
			   bool *ret) MUST_CHECK;

/* ---- values_old.c ---- */

/*
 * Whether the function @func, to 3.10, is the one that later says @qualname of itself;
 * where its file ends as it should.
 */
bool val_old_function_is(struct py_values *v, uint64_t func, uint64_t code, const char *qualname);
/*
 * The items of a namespace by name, and the parenthesis behind them.  An error of
 * @check, if given, about a name is one of the whole.
 */
struct err *val_put_sorted(struct py_values *v, struct val_dict *d,
			   struct err *(*check)(struct py_values *v, uint64_t name)) MUST_CHECK;
/* "A|B" for the members of a Flag without a name of its own. */
struct err *val_put_old_flags(struct py_values *v, const struct py_type *t,
			      uint64_t value) MUST_CHECK;

/* ---- values_recipes.c ---- */

/* How the Python-coded repr() of a class goes, if it is known; *cycle as in val_kind. */
struct err *val_recipe_find(struct py_values *v, const struct py_type *t, val_shower *ret,
			    const char **cycle) MUST_CHECK;
/* As val_attr(); ERR_NOT_FOUND if there is none. */
struct err *val_need_attr(struct py_values *v, uint64_t addr, const struct py_type *t,
			  const char *name, uint64_t *ret) MUST_CHECK;
/* If @err, takes back what was put since @start and shows the attributes instead. */
struct err *val_instead(struct py_values *v, uint64_t addr, const struct py_type *t, size_t start,
			struct err *err) MUST_CHECK;

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
struct err *val_show_exception_group(struct py_values *v, uint64_t addr,
				     const struct py_type *t) MUST_CHECK;
struct err *val_show_import_error(struct py_values *v, uint64_t addr,
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

/* Showers of values_descr.c. */
struct err *val_show_descr(struct py_values *v, uint64_t addr, const struct py_type *t) MUST_CHECK;
struct err *val_show_method_wrapper(struct py_values *v, uint64_t addr,
				    const struct py_type *t) MUST_CHECK;
struct err *val_show_unbound(struct py_values *v, uint64_t addr,
			     const struct py_type *t) MUST_CHECK;
struct err *val_show_super(struct py_values *v, uint64_t addr, const struct py_type *t) MUST_CHECK;
struct err *val_show_partial(struct py_values *v, uint64_t addr,
			     const struct py_type *t) MUST_CHECK;
struct err *val_show_placeholder(struct py_values *v, uint64_t addr,
				 const struct py_type *t) MUST_CHECK;
struct err *val_show_weakref(struct py_values *v, uint64_t addr,
			     const struct py_type *t) MUST_CHECK;
struct err *val_show_weakproxy(struct py_values *v, uint64_t addr,
			       const struct py_type *t) MUST_CHECK;
struct err *val_show_generic_alias(struct py_values *v, uint64_t addr,
				   const struct py_type *t) MUST_CHECK;
struct err *val_show_union(struct py_values *v, uint64_t addr, const struct py_type *t) MUST_CHECK;
struct err *val_show_typevar(struct py_values *v, uint64_t addr,
			     const struct py_type *t) MUST_CHECK;

/* Showers of values_view.c. */
struct err *val_show_dict_view(struct py_values *v, uint64_t addr,
			       const struct py_type *t) MUST_CHECK;
struct err *val_show_count(struct py_values *v, uint64_t addr, const struct py_type *t) MUST_CHECK;
struct err *val_show_repeat(struct py_values *v, uint64_t addr, const struct py_type *t) MUST_CHECK;
struct err *val_show_array(struct py_values *v, uint64_t addr, const struct py_type *t) MUST_CHECK;
struct err *val_show_memoryview(struct py_values *v, uint64_t addr,
				const struct py_type *t) MUST_CHECK;
struct err *val_show_pattern(struct py_values *v, uint64_t addr,
			     const struct py_type *t) MUST_CHECK;
struct err *val_show_match(struct py_values *v, uint64_t addr, const struct py_type *t) MUST_CHECK;
struct err *val_show_struct_sequence(struct py_values *v, uint64_t addr,
				     const struct py_type *t) MUST_CHECK;
struct err *val_show_zoneinfo(struct py_values *v, uint64_t addr,
			      const struct py_type *t) MUST_CHECK;

/* Showers of values_file.c. */
struct err *val_show_file(struct py_values *v, uint64_t addr, const struct py_type *t) MUST_CHECK;
/* Showers of values_pylib.c. */
struct err *val_show_counter(struct py_values *v, uint64_t addr,
			     const struct py_type *t) MUST_CHECK;
struct err *val_show_chain_map(struct py_values *v, uint64_t addr,
			       const struct py_type *t) MUST_CHECK;
struct err *val_show_user_data(struct py_values *v, uint64_t addr,
			       const struct py_type *t) MUST_CHECK;
struct err *val_show_uuid(struct py_values *v, uint64_t addr, const struct py_type *t) MUST_CHECK;
struct err *val_show_address(struct py_values *v, uint64_t addr,
			     const struct py_type *t) MUST_CHECK;
struct err *val_show_fraction(struct py_values *v, uint64_t addr,
			      const struct py_type *t) MUST_CHECK;
struct err *val_show_attribute_holder(struct py_values *v, uint64_t addr,
				      const struct py_type *t) MUST_CHECK;
struct err *val_show_thread(struct py_values *v, uint64_t addr, const struct py_type *t) MUST_CHECK;
struct err *val_show_event(struct py_values *v, uint64_t addr, const struct py_type *t) MUST_CHECK;
struct err *val_show_condition(struct py_values *v, uint64_t addr,
			       const struct py_type *t) MUST_CHECK;
struct err *val_show_semaphore(struct py_values *v, uint64_t addr,
			       const struct py_type *t) MUST_CHECK;

/* Showers of values_small.c. */
struct err *val_show_context_var(struct py_values *v, uint64_t addr,
				 const struct py_type *t) MUST_CHECK;
struct err *val_show_context_token(struct py_values *v, uint64_t addr,
				   const struct py_type *t) MUST_CHECK;
struct err *val_show_capsule(struct py_values *v, uint64_t addr,
			     const struct py_type *t) MUST_CHECK;
struct err *val_show_item_getter(struct py_values *v, uint64_t addr,
				 const struct py_type *t) MUST_CHECK;
struct err *val_show_socket(struct py_values *v, uint64_t addr, const struct py_type *t) MUST_CHECK;
struct err *val_show_barrier(struct py_values *v, uint64_t addr,
			     const struct py_type *t) MUST_CHECK;

/* Showers of values_path.c. */
struct err *val_show_path(struct py_values *v, uint64_t addr, const struct py_type *t) MUST_CHECK;

#endif
