/* SPDX-License-Identifier: MIT */
#include "stub/breaks.h"

#include <stdlib.h>
#include <string.h>

#include "qxfer/python.h"
#include "qxfer/python/functions.h"
#include "qxfer/python/opcodes.h"
#include "qxfer/python/runtime.h"
#include "stub/pybreak.h"
#include "stub/pycheck.h"
#include "stub/session.h"

#define BREAKS_MAX    1000u
#define LOCATIONS_MAX 1000u /* of one breakpoint */
#define SPEC_MAX      2048u

struct location {
	uint64_t code;
	uint32_t offset;
};

struct brk {
	unsigned int number;
	bool temporary;
	char *spec;	       /* FILE:LINE or FUNC */
	char *condition;       /* or NULL */
	struct pycheck *check; /* of the condition, or NULL */
	char *where;	       /* "f at x.py:4", of the first location */
	uint64_t hits;
	struct location *location;
	size_t n, cap;
};

struct breaks {
	struct brk *brk;
	size_t n, cap;
	unsigned int last_number;
	bool armed; /* a step that one of our commands began */
};

static void brk_deinit(struct brk *b)
{
	free(b->spec);
	free(b->condition);
	pycheck_destroy(b->check);
	free(b->where);
	free(b->location);
}

void breaks_destroy(struct breaks *b)
{
	if (!b)
		return;
	for (size_t i = 0; i < b->n; i++)
		brk_deinit(&b->brk[i]);
	free(b->brk);
	free(b);
}

void breaks_forget(struct session *s)
{
	breaks_destroy(s->breaks);
	s->breaks = NULL;
}

/* ---- where ---- */

struct search {
	const char *file; /* NULL: a function is wanted */
	size_t file_len;
	int32_t line;
	const char *function;
	size_t function_len;

	int32_t best; /* the line that is nearest, not before the wanted one; 0: none yet */
	struct brk *into;
	struct py_code *code;
	int32_t first; /* of rows of that code past its RESUME */
	uint32_t first_offset;
	bool failed;
	struct mem *mem;
	const struct py_opcodes *opcodes;
};

/* "a/b.py" is wanted; "/x/a/b.py" is it, "/x/aa/b.py" is not. */
static bool file_is(const char *path, const char *name, size_t len)
{
	size_t n = strlen(path);
	return n >= len && memcmp(path + n - len, name, len) == 0 &&
	       (n == len || path[n - len - 1] == '/' || *name == '/');
}

static bool is_named(const char *qualname, const char *name, size_t len)
{
	size_t n = strlen(qualname);
	return n >= len && memcmp(qualname + n - len, name, len) == 0 &&
	       (n == len || qualname[n - len - 1] == '.');
}

static void add_location(struct search *f, uint32_t offset, int32_t line)
{
	struct brk *b = f->into;
	if (b->n >= LOCATIONS_MAX)
		return;
	if (b->n == b->cap) {
		size_t cap = b->cap ? b->cap * 2 : 4;
		struct location *fresh = reallocarray(b->location, cap, sizeof(*fresh));
		f->failed |= !fresh;
		if (!fresh)
			return;
		b->location = fresh;
		b->cap = cap;
	}
	if (!b->n && asprintf(&b->where, "%s at %s:%d", f->code->qualname, f->code->file, line) < 0)
		b->where = NULL;
	b->location[b->n++] = (struct location){ f->code->addr, offset };
}

static void restart(struct search *f, int32_t line)
{
	f->best = line;
	f->into->n = 0;
	free(f->into->where);
	f->into->where = NULL;
}

/*
 * A statement of several lines comes back to its first: to call what it has loaded, say.
 * A loop does, too, with the code of its condition once more.
 */
static bool goes_on(const struct search *f, uint32_t offset)
{
	const struct brk *b = f->into;
	uint8_t op;

	if (!b->n || b->location[b->n - 1].code != f->code->addr || !f->opcodes ||
	    mem_read_some(f->mem, f->code->bytecode + offset, &op, 1) != 1)
		return false;
	return !f->opcodes->begins[py_opcode_base(f->opcodes, op)];
}

static void look_at_row(void *arg, uint32_t offset, int32_t line)
{
	struct search *f = arg;
	if (line < f->line || (f->best && line > f->best))
		return;
	if (line != f->best)
		restart(f, line);
	if (goes_on(f, offset))
		return;
	add_location(f, offset, line);
}

static void note_first(void *arg, uint32_t offset, int32_t line)
{
	struct search *f = arg;
	if (f->first || (int64_t)offset <= f->code->first_traceable)
		return;
	f->first = line;
	f->first_offset = offset;
}

static bool look_at_code(void *arg, struct py_code *code)
{
	struct search *f = arg;
	f->code = code;
	if (f->file) {
		if (file_is(code->file, f->file, f->file_len))
			py_code_lines(code, look_at_row, f);
	} else if (is_named(code->qualname, f->function, f->function_len)) {
		f->first = 0;
		f->first_offset = 0;
		py_code_lines(code, note_first, f);
		add_location(f, f->first_offset, f->first ? f->first : code->first_line);
	}
	return !f->failed;
}

static struct err *not_found(const struct search *f)
{
	if (f->file)
		return err_new(ERR_NOT_FOUND, "no code of %.*s at line %d or behind is loaded",
			       (int)f->file_len, f->file, f->line);
	return err_new(ERR_NOT_FOUND, "no function %.*s is loaded", (int)f->function_len,
		       f->function);
}

static struct err *parse_spec(const char *spec, struct search *f)
{
	const char *colon = strrchr(spec, ':');
	size_t digits = colon ? strspn(colon + 1, "0123456789") : 0;

	if (!*spec)
		return err_new(ERR_BAD_DATA, "py-break takes FILE:LINE or a function");
	if (!colon || !digits || colon[1 + digits]) {
		f->function = spec;
		f->function_len = strlen(spec);
		return NULL;
	}
	if (digits > 9 || colon == spec)
		return err_new(ERR_BAD_DATA, "no such line: %.60s", spec);
	f->file = spec;
	f->file_len = (size_t)(colon - spec);
	f->line = atoi(colon + 1);
	return NULL;
}

static struct err *resolve(struct session *s, struct brk *b)
{
	struct search f = { .into = b };
	const struct space *space;
	const struct py_runtime *rt;
	struct err *err = parse_spec(b->spec, &f);
	if (!err)
		err = target_space(s->target, &space);
	if (!err)
		err = python_runtime(s->python, space, &rt);
	if (!err) {
		f.mem = space->mem;
		f.opcodes = py_opcodes_find(rt->off.version_hex);
		err = python_functions(s->python, space, look_at_code, &f);
	}
	if (!err && f.failed)
		err = &err_nomem;
	if (!err && !b->n)
		err = not_found(&f);
	return err;
}

/* ---- in and out ---- */

static void take_out(struct session *s, const struct brk *b)
{
	for (size_t i = 0; i < b->n; i++) {
		struct err *err = pybreak_remove(s->pybreak, PYBREAK_COMMAND, b->location[i].code,
						 b->location[i].offset);
		err_drop(err);
	}
}

static struct err *put_in(struct session *s, const struct brk *b)
{
	struct err *err = NULL;
	for (size_t i = 0; i < b->n && !err; i++) {
		const struct location *at = &b->location[i];
		if (b->check)
			err = pycheck_prepare(b->check, s->target, at->code);
		if (!err)
			err = pybreak_insert(s->pybreak, PYBREAK_COMMAND, at->code, at->offset,
					     b->check ? pycheck_holds : NULL, b->check);
	}
	if (err)
		take_out(s, b);
	return err;
}

/* "SPEC if CONDITION" in two. */
static struct err *split(const char *args, struct brk *b)
{
	const char *cut = strstr(args, " if ");
	size_t len = cut ? (size_t)(cut - args) : strlen(args);

	while (len && args[len - 1] == ' ')
		len--;
	if (len > SPEC_MAX)
		return err_new(ERR_BAD_DATA, "a place of %zu characters", len);
	b->spec = strndup(args, len);
	if (cut)
		b->condition = strdup(cut + 4 + strspn(cut + 4, " "));
	return b->spec && (!cut || b->condition) ? NULL : &err_nomem;
}

/* Room for one more behind the last. */
static struct err *reserve(struct breaks *all)
{
	if (all->n < all->cap)
		return NULL;
	size_t cap = all->cap ? all->cap * 2 : 8;
	struct brk *fresh = reallocarray(all->brk, cap, sizeof(*fresh));
	if (!fresh)
		return &err_nomem;
	all->brk = fresh;
	all->cap = cap;
	return NULL;
}

static struct err *check(struct session *s)
{
	if (s->options->read_only)
		return err_new(ERR_STATE, "the stub is read-only");
	if (!s->pybreak)
		return err_new(ERR_STATE, "Python is switched off (--python=off)");
	if (!s->breaks)
		s->breaks = calloc(1, sizeof(*s->breaks));
	if (!s->breaks)
		return &err_nomem;
	if (s->breaks->n >= BREAKS_MAX)
		return err_new(ERR_STATE, "%u breakpoints are enough", BREAKS_MAX);
	return pybreak_ready(s->pybreak);
}

static struct err *make(struct session *s, const char *args, struct brk *b)
{
	struct err *err = split(args, b);
	if (!err && b->condition)
		err = pycheck_create(s->python, b->condition, &b->check);
	if (!err)
		err = resolve(s, b);
	return err ? err : put_in(s, b);
}

static struct err *add(struct session *s, const char *args, bool temporary, struct buf *out)
{
	struct err *err = check(s);
	if (!err)
		err = reserve(s->breaks);
	if (err)
		return err;
	struct brk *b = &s->breaks->brk[s->breaks->n];
	*b = (struct brk){ .temporary = temporary, .number = s->breaks->last_number + 1 };
	err = make(s, args, b);
	if (err) {
		brk_deinit(b);
		return err;
	}
	s->breaks->n++;
	s->breaks->last_number++;
	buf_printf(out, "Python breakpoint %u: %s", b->number, b->where ? b->where : b->spec);
	if (b->n > 1)
		buf_printf(out, " and %zu more", b->n - 1);
	buf_puts(out, "\n");
	return NULL;
}

struct err *breaks_add(struct session *s, const char *args, struct buf *out)
{
	return add(s, args, false, out);
}

struct err *breaks_add_temporary(struct session *s, const char *args, struct buf *out)
{
	return add(s, args, true, out);
}

static void drop(struct session *s, size_t i)
{
	struct breaks *all = s->breaks;
	struct brk b = all->brk[i];

	/* Another breakpoint may want the same place. */
	all->n--;
	memmove(&all->brk[i], &all->brk[i + 1], (all->n - i) * sizeof(b));
	take_out(s, &b);
	brk_deinit(&b);
	for (size_t k = 0; k < all->n; k++) {
		struct err *err = put_in(s, &all->brk[k]);
		err_drop(err); /* it was in before; what is gone is gone */
	}
	if (!all->n)
		pybreak_clear(s->pybreak, PYBREAK_COMMAND);
}

struct err *breaks_delete(struct session *s, const char *args, struct buf *out)
{
	struct breaks *all = s->breaks;
	char *end;
	unsigned long number = strtoul(args, &end, 10);

	(void)out;
	if (!*args) {
		while (all && all->n)
			drop(s, all->n - 1);
		return NULL;
	}
	if (*end || strchr("+- ", *args))
		return err_new(ERR_BAD_DATA, "py-delete takes a number, not %.40s", args);
	for (size_t i = 0; all && i < all->n; i++) {
		if (all->brk[i].number != number)
			continue;
		drop(s, i);
		return NULL;
	}
	return err_new(ERR_NOT_FOUND, "No Python breakpoint number %lu.", number);
}

struct err *breaks_list(struct session *s, const char *args, struct buf *out)
{
	const struct breaks *all = s->breaks;

	if (*args)
		return err_new(ERR_UNSUPPORTED, "py-breaks takes no argument");
	if (!all || !all->n)
		buf_puts(out, "No Python breakpoints.\n");
	for (size_t i = 0; all && i < all->n; i++) {
		const struct brk *b = &all->brk[i];
		buf_printf(out, "%u%s  %s", b->number, b->temporary ? " (temporary)" : "",
			   b->n && b->where ? b->where : b->spec);
		if (b->condition)
			buf_printf(out, " if %s", b->condition);
		buf_printf(out, "; %zu place%s, %llu hit%s\n", b->n, b->n == 1 ? "" : "s",
			   (unsigned long long)b->hits, b->hits == 1 ? "" : "s");
	}
	return NULL;
}

/* ---- steps ---- */

struct row_search {
	uint32_t at, start, end;
};

static void note_row(void *arg, uint32_t offset, int32_t line)
{
	struct row_search *r = arg;
	(void)line;
	if (offset <= r->at)
		r->start = offset;
	else if (offset < r->end)
		r->end = offset;
}

/* The instructions of the line that the thread's innermost frame is at. */
static struct err *find_row(struct session *s, pid_t tid, struct row_search *ret)
{
	const struct py_walk walk = { .tid = tid, .max_frames = 1 };
	const struct py_snapshot *snap;
	const struct space *space;
	struct py_code *code;
	struct err *err = target_space(s->target, &space);
	if (!err)
		err = python_walk(s->python, space, &walk, &snap);
	if (!err && !snap->nframes)
		err = err_new(ERR_NOT_FOUND, "thread %d runs no Python", tid);
	if (!err)
		err = python_code(s->python, space, snap->frames[0].code_addr, &code);
	if (err)
		return err;
	*ret = (struct row_search){ .end = UINT32_MAX };
	if (snap->frames[0].lasti > 0)
		ret->at = (uint32_t)snap->frames[0].lasti;
	py_code_lines(code, note_row, ret);
	return NULL;
}

static struct err *arm(struct session *s, const char *args, enum pybreak_step how)
{
	struct row_search r = { 0 };
	pid_t tid = session_shown_thread(s);

	if (*args)
		return err_new(ERR_UNSUPPORTED, "py-next and its kin take no argument");
	struct err *err = check(s);
	if (!err)
		err = find_row(s, tid, &r);
	if (!err)
		err = pybreak_step(s->pybreak, tid, how, r.start, r.end);
	if (!err)
		s->breaks->armed = true;
	return err;
}

struct err *breaks_next(struct session *s, const char *args, struct buf *out)
{
	(void)out;
	return arm(s, args, PYBREAK_OVER);
}

struct err *breaks_step(struct session *s, const char *args, struct buf *out)
{
	(void)out;
	return arm(s, args, PYBREAK_INTO);
}

struct err *breaks_finish(struct session *s, const char *args, struct buf *out)
{
	(void)out;
	return arm(s, args, PYBREAK_OUT);
}

/* ---- stops ---- */

static bool has_location(const struct brk *b, const struct pybreak_hit *hit)
{
	for (size_t i = 0; i < b->n; i++)
		if (b->location[i].code == hit->code && b->location[i].offset == hit->offset)
			return true;
	return false;
}

/* @b: NULL if it is the end of a step. */
static void tell(struct session *s, const struct brk *b, const struct pybreak_hit *hit)
{
	_cleanup_buf_ struct buf text = { 0 }, frame = { 0 };
	struct python_view view = { .py = s->python, .tid = hit->tid };
	struct err *err = target_space(s->target, &view.space);
	if (!err)
		err = python_frame_text(&view, &frame);
	if (b)
		buf_printf(&text, "Python breakpoint %u, %llu hit%s: ", b->number,
			   (unsigned long long)b->hits, b->hits == 1 ? "" : "s");
	if (err)
		buf_printf(&text, "%s\n", b && b->where ? b->where : "in Python");
	else
		buf_put(&text, frame.data, frame.len);
	err_drop(err);
	if (b && b->check && pycheck_error(b->check))
		buf_printf(&text, "Error in its condition: %s\n", pycheck_error(b->check));
	if (!text.failed && s->owed)
		session_print(s, text.data, text.len);
}

/* Code objects have ended, and breakpoints with them. */
static void drop_gone(struct session *s)
{
	struct pybreak_hit gone = { 0 };
	while (pybreak_gone(s->pybreak, PYBREAK_COMMAND, &gone.code, &gone.offset)) {
		for (size_t i = 0; s->breaks && i < s->breaks->n; i++) {
			struct brk *b = &s->breaks->brk[i];
			size_t kept = 0;
			for (size_t k = 0; k < b->n; k++)
				if (b->location[k].code != gone.code)
					b->location[kept++] = b->location[k];
			b->n = kept;
		}
	}
}

void breaks_stopped(struct session *s)
{
	struct pybreak_hit hit;

	if (!s->breaks || !s->pybreak)
		return;
	drop_gone(s);
	if (!pybreak_stopped_at(s->pybreak, &s->stop, &hit))
		return;
	if (hit.users == PYBREAK_STEP && s->breaks->armed)
		tell(s, NULL, &hit);
	s->breaks->armed = false;
	if (!(hit.users & PYBREAK_COMMAND))
		return;
	for (size_t i = 0; i < s->breaks->n; i++) {
		struct brk *b = &s->breaks->brk[i];
		if (!has_location(b, &hit) ||
		    (b->check && !pycheck_holds(b->check, s->target, &hit)))
			continue;
		b->hits++;
		tell(s, b, &hit);
		if (b->temporary)
			drop(s, i--);
	}
}
