/* SPDX-License-Identifier: MIT */
#include "stub/breakif.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "qxfer/python/python.h"
#include "stub/base/image.h"
#include "stub/session.h"
#include "stub/source.h"
#include "stub/trace.h"
#include "stub/view.h"

#define RULES_MAX 64u
#define SEEN_MAX  1000u
#define WORD_MAX  512u

enum where { WHERE_NUMBER, WHERE_RANGE, WHERE_ALL };

/* What is asked for of one frame; what is not asked for is NULL or 0. */
struct rule {
	enum where where;
	uint64_t number;	 /* WHERE_NUMBER: 1.. */
	uint64_t start, end;	 /* WHERE_RANGE */
	char place[WORD_MAX];	 /* as it was given */
	char text[WORD_MAX];	 /* in the file's name, the function's, or the line's source */
	char file[WORD_MAX];	 /* its name, or how that ends */
	char function[WORD_MAX]; /* its name, qualified or not */
	int32_t line;
	uint64_t stopped, passed;
};

struct breakif {
	struct rule *rule[RULES_MAX];
	size_t n;
	uint64_t seen[SEEN_MAX]; /* the client's native breakpoints, in order of their first Z */
	size_t nseen;
	uint64_t epoch; /* of the process that `seen' and `source' are of */
	bool opened;
	struct source source;
};

/* ---- life ---- */

static void forget(struct breakif *b)
{
	if (b->opened)
		source_close(&b->source);
	b->opened = false;
	b->nseen = 0;
}

void breakif_destroy(struct breakif *b)
{
	if (!b)
		return;
	forget(b);
	for (size_t i = 0; i < b->n; i++)
		free(b->rule[i]);
	free(b);
}

void breakif_forget(struct session *s)
{
	if (s->breakif)
		forget(s->breakif);
}

static struct breakif *get(struct session *s)
{
	if (!s->breakif)
		s->breakif = calloc(1, sizeof(*s->breakif));
	if (s->breakif && s->breakif->epoch != s->target->epoch) {
		forget(s->breakif);
		s->breakif->epoch = s->target->epoch;
	}
	return s->breakif;
}

bool breakif_any(const struct session *s)
{
	return s->breakif && s->breakif->n;
}

/* ---- which breakpoint ---- */

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

/* Clients have breakpoints of their own there: for libraries, longjmp, exceptions. */
static bool is_clients_own(const struct session *s, uint64_t addr)
{
	static const char *const names[] = { "ld-",	 "ld.",	      "libc.",	   "libc-",
					     "libgcc_s", "libstdc++", "libpthread" };
	const struct map *m = maps_find(&s->target->maps, addr);

	for (size_t i = 0; m && i < sizeof(names) / sizeof(names[0]); i++)
		if (strncmp(base_name(m->path), names[i], strlen(names[i])) == 0)
			return true;
	return false;
}

void breakif_note(struct session *s, uint64_t addr)
{
	struct breakif *b = get(s);
	const struct space *space;

	if (!b || b->nseen == SEEN_MAX)
		return;
	for (size_t i = 0; i < b->nseen; i++)
		if (b->seen[i] == addr)
			return;
	struct err *err = target_space(s->target, &space); /* has the mappings read */
	bool skip = err || is_clients_own(s, addr);
	err_drop(err);
	if (!skip)
		b->seen[b->nseen++] = addr;
}

static bool is_meant(const struct breakif *b, const struct rule *r, uint64_t addr)
{
	switch (r->where) {
	case WHERE_RANGE:
		return addr >= r->start && addr < r->end;
	case WHERE_NUMBER:
		return r->number <= b->nseen && b->seen[r->number - 1] == addr;
	default:
		return true;
	}
}

/* ---- judging ---- */

static bool ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), k = strlen(end);
	return k <= n && strcmp(text + n - k, end) == 0 &&
	       (k == n || *end == '/' || text[n - k - 1] == '/');
}

static bool source_has(struct session *s, const struct py_frame *f, const char *text)
{
	struct breakif *b = s->breakif;
	_cleanup_buf_ struct buf line = { 0 };

	if (s->options->no_host_io || *f->file == '<' || f->pos.line < 1)
		return false;
	if (!b->opened)
		source_open(&b->source, s->target);
	b->opened = true;
	const struct source_file *file = source_file(&b->source, f->file);
	if (!file || !file->data || !source_line(file, f->pos.line, &line))
		return false;
	buf_put(&line, "", 1);
	return !line.failed && strstr((char *)line.data, text);
}

static bool frame_fits(struct session *s, const struct rule *r, const struct py_frame *f)
{
	if (r->line && f->pos.line != r->line)
		return false;
	if (*r->file && !ends_with(f->file, r->file))
		return false;
	if (*r->function && strcmp(f->name, r->function) != 0 &&
	    strcmp(f->qualname, r->function) != 0)
		return false;
	return !*r->text || strstr(f->file, r->text) || strstr(f->qualname, r->text) ||
	       source_has(s, f, r->text);
}

static bool stack_fits(struct session *s, const struct rule *r, const struct py_snapshot *snap,
		       pid_t tid)
{
	for (size_t i = 0; i < snap->nthreads; i++) {
		const struct py_thread *t = &snap->threads[i];
		for (size_t k = 0; t->tid == tid && k < t->nframes; k++)
			if (frame_fits(s, r, &snap->frames[t->first_frame + k]))
				return true;
	}
	return false;
}

static uint64_t thread_pointer(const struct target *t, const struct target_hit *hit)
{
	const struct reg *r = &t->arch->regs[t->arch->tp];
	uint8_t value[REG_MAX] = { 0 };
	uint64_t tp;

	if (r->set == t->arch->regs[t->arch->pc].set && r->offset + r->size <= hit->regset_size)
		arch_reg_get(r, hit->regset, value);
	memcpy(&tp, value, sizeof(tp));
	return tp;
}

/* The stack of the thread alone; the others run. */
static struct err *walk_hit(struct session *s, const struct target_hit *hit,
			    const struct py_snapshot **ret)
{
	const struct space_thread thread = { .tid = hit->tid,
					     .tp = thread_pointer(s->target, hit) };
	const struct py_walk walk = { .tid = hit->tid, .in_passing = true };
	const struct space *built;

	struct err *err = s->target->space_stop ? NULL : target_space(s->target, &built);
	if (err)
		return err;
	struct space space = s->target->space;
	space.threads = &thread;
	space.nthreads = 1;
	return python_walk(s->python, &space, &walk, ret);
}

/* One rule that fits is enough; a stack that cannot be read is told. */
bool breakif_tells(struct session *s, const struct target_hit *hit)
{
	struct breakif *b = s->breakif;
	const struct py_snapshot *snap = NULL;
	bool judged = false, ret = false;
	struct err *err = NULL;

	for (size_t i = 0; b && s->python && i < b->n && !ret && !err; i++) {
		struct rule *r = b->rule[i];
		if (!is_meant(b, r, hit->addr))
			continue;
		judged = true;
		err = snap ? NULL : walk_hit(s, hit, &snap);
		ret = !err && stack_fits(s, r, snap, hit->tid);
		r->stopped += ret;
		r->passed += !ret;
	}
	if (err_catch(&err, ERR_NOT_FOUND)) /* no Python, so no stack with it in it */
		return false;
	if (err) {
		err_drop(err);
		return true;
	}
	return ret || !judged;
}

/* ---- the command ---- */

/* A word, or what is in quotes; false: there is none, or no end of it. */
static bool take_word(const char **args, char ret[WORD_MAX])
{
	const char *p = *args + strspn(*args, " ");
	bool quoted = *p == '"' || *p == '\'';
	char quote = *p;
	size_t n = quoted ? strcspn(p + 1, quote == '"' ? "\"" : "'") : strcspn(p, " ");

	if (n >= WORD_MAX || (!quoted && !n) || (quoted && p[n + 1] != quote))
		return false;
	memcpy(ret, p + quoted, n);
	ret[n] = '\0';
	*args = p + n + (quoted ? 2 : 0);
	return true;
}

static bool find_symbol(struct target *t, const struct space *space, const char *name,
			struct image_symbol *ret)
{
	bool found = false;

	for (size_t i = 0; i < space->maps->n && !found; i++) {
		const struct map *m = &space->maps->map[i];
		struct image img;
		struct err *err = m->inode && !m->offset ? image_open(&t->mem, m->start, &img)
							 : err_new(ERR_NOT_FOUND, "no image");
		if (err) {
			err_drop(err);
			continue;
		}
		found = image_find_dynamic(&img, name, ret);
		int fd = found || !space->open_map ? -1 : space->open_map(space->ctx, m);
		if (fd >= 0)
			err_drop(image_add_file(&img, fd));
		found = found || image_find_static(&img, name, ret);
		image_deinit(&img);
	}
	return found;
}

static struct err *parse_place(struct session *s, struct rule *r)
{
	const struct space *space;
	struct image_symbol symbol;
	char *end;

	if (strcmp(r->place, "all") == 0) {
		r->where = WHERE_ALL;
		return NULL;
	}
	uint64_t n = strtoull(r->place, &end, strncmp(r->place, "0x", 2) == 0 ? 16 : 10);
	if (!*end && n) {
		r->where = strncmp(r->place, "0x", 2) == 0 ? WHERE_RANGE : WHERE_NUMBER;
		r->number = r->start = n;
		r->end = n + 1;
		return NULL;
	}
	struct err *err = target_space(s->target, &space);
	if (err)
		return err;
	if (!find_symbol(s->target, space, r->place, &symbol))
		return err_new(ERR_NOT_FOUND,
			       "no function %.60s among the symbols: give an address, or all",
			       r->place);
	r->where = WHERE_RANGE;
	r->start = symbol.addr;
	r->end = symbol.addr + (symbol.size ? symbol.size : 1);
	return NULL;
}

static struct err *take_option(struct rule *r, const char *name, const char *value)
{
	const struct {
		const char *name;
		char *to;
	} texts[] = { { "--file", r->file }, { "--func", r->function } };
	char *end;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (strcmp(name, texts[i].name) == 0) {
			memcpy(texts[i].to, value, strlen(value) + 1);
			return NULL;
		}
	if (strcmp(name, "--line") != 0)
		return err_new(ERR_BAD_DATA, "py-break-if has no option %.40s", name);
	long line = strtol(value, &end, 10);
	if (*end || line < 1 || line > INT32_MAX)
		return err_new(ERR_BAD_DATA, "%.40s is no line", value);
	r->line = (int32_t)line;
	return NULL;
}

static struct err *parse_rule(struct session *s, const char *args, struct rule *r)
{
	char word[WORD_MAX], value[WORD_MAX];
	struct err *err =
		take_word(&args, r->place)
			? NULL
			: err_new(ERR_BAD_DATA, "py-break-if N|ADDRESS|FUNCTION|all TEXT");

	while (!err && args[strspn(args, " ")]) {
		bool quoted = strchr("\"'", args[strspn(args, " ")]);
		if (!take_word(&args, word))
			return err_new(ERR_BAD_DATA,
				       "a text without an end, or of more than %u bytes",
				       WORD_MAX - 1);
		if (quoted || strncmp(word, "--", 2) != 0)
			memcpy(r->text, word, sizeof(word));
		else if (!take_word(&args, value))
			err = err_new(ERR_BAD_DATA, "%.40s takes a value", word);
		else
			err = take_option(r, word, value);
	}
	if (!err && !*r->text && !*r->file && !*r->function && !r->line)
		err = err_new(ERR_BAD_DATA, "py-break-if wants a text, --file, --func or --line");
	return err ? err : parse_place(s, r);
}

static void put_rule(const struct breakif *b, const struct rule *r, struct buf *out)
{
	buf_printf(out, "Native breakpoint%s %s", r->where == WHERE_ALL ? "s:" : "", r->place);
	if (r->where == WHERE_NUMBER && r->number <= b->nseen)
		buf_printf(out, " (0x%" PRIx64 ")", b->seen[r->number - 1]);
	buf_puts(out, r->where == WHERE_ALL ? " stop only if" : " stops only if");
	if (*r->text)
		buf_printf(out, " \"%s\"", r->text);
	if (*r->function)
		buf_printf(out, " function %s", r->function);
	if (*r->file)
		buf_printf(out, " file %s", r->file);
	if (r->line)
		buf_printf(out, " line %d", r->line);
	buf_puts(out, " is in the Python stack of the thread.\n");
}

static struct err *list(const struct breakif *b, struct buf *out)
{
	for (size_t i = 0; i < b->n; i++) {
		put_rule(b, b->rule[i], out);
		buf_printf(out, "    stopped %" PRIu64 ", passed %" PRIu64 "\n",
			   b->rule[i]->stopped, b->rule[i]->passed);
	}
	for (size_t i = 0; i < b->nseen; i++)
		buf_printf(out, "The client has set native breakpoint %zu at 0x%" PRIx64 ".\n",
			   i + 1, b->seen[i]);
	if (!b->n && !b->nseen)
		buf_puts(out, "No native breakpoint was set, and none is to look at Python.\n");
	return NULL;
}

static void drop(struct breakif *b, size_t i)
{
	free(b->rule[i]);
	b->n--;
	memmove(&b->rule[i], &b->rule[i + 1], (b->n - i) * sizeof(struct rule *));
}

/* "WHERE off" takes away what was said of WHERE. */
static bool take_off(struct breakif *b, const char *args, struct buf *out)
{
	char place[WORD_MAX], word[WORD_MAX];
	size_t before = b->n;

	if (!take_word(&args, place) || !take_word(&args, word) || strcmp(word, "off") != 0 ||
	    args[strspn(args, " ")])
		return false;
	for (size_t i = b->n; i-- > 0;)
		if (strcmp(b->rule[i]->place, place) == 0)
			drop(b, i);
	buf_printf(out, "%zu condition%s of %s taken away.\n", before - b->n,
		   before - b->n == 1 ? "" : "s", place);
	return true;
}

static struct err *add(struct session *s, struct breakif *b, const char *args, struct buf *out)
{
	if (b->n == RULES_MAX)
		return err_new(ERR_STATE, "there are %u of them already", RULES_MAX);
	struct rule *r = calloc(1, sizeof(*r));
	if (!r)
		return &err_nomem;
	struct err *err = parse_rule(s, args, r);
	if (err) {
		free(r);
		return err;
	}
	b->rule[b->n++] = r;
	put_rule(b, r, out);
	return NULL;
}

struct err *breakif_command(struct session *s, const char *args, struct buf *out)
{
	struct breakif *b = get(s);
	struct err *err = NULL;

	if (!b)
		return &err_nomem;
	if (!s->python)
		return err_new(ERR_STATE, "Python is switched off (--python=off)");
	if (!*args)
		return list(b, out);
	if (s->options->read_only)
		return err_new(ERR_STATE, "the stub is read-only");
	if (!take_off(b, args, out))
		err = add(s, b, args, out);
	s->target->judge = trace_judge(s);
	return err;
}
