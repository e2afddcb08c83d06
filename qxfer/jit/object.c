/* SPDX-License-Identifier: MIT */
#include "qxfer/jit/object.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qxfer/jit/fallback.h"
#include "qxfer/jit/v8.h"
#include "stub/base/image.h"
#include "stub/base/symbols.h"

/* What takes less to find out than to read from a file is not kept. */
#define WORTH_SAVING 512u /* rows */
#define FORMAT	     "6"  /* of what is kept; another one whenever a rule changes */

void object_free(struct object *o)
{
	if (!o)
		return;
	free(o->path);
	free(o->part);
	jit_table_deinit(&o->table);
	free(o);
}

const struct object_part *object_part_at(const struct object *o, uint64_t offset)
{
	size_t lo = 0, hi = o->nparts;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		if (o->part[mid].start <= offset)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo && offset < o->part[lo - 1].end ? &o->part[lo - 1] : NULL;
}

struct build {
	struct object *o;
	const struct space *s;
	struct flow *flow;
	struct gaps gaps;
	struct v8_blob blob;
	uint8_t *bytes;
	size_t budget; /* of bytes to analyse */
};

static void add_code(struct build *b, const struct flow_code *code, const char *name)
{
	struct jit_table *t = &b->o->table;
	if (b->flow)
		flow_run(b->flow, code, t);
	else
		fallback_each(t, code->bytes, code->base, code->base + code->len);
	jit_table_add(t, code->base + code->len, NULL);
	if (name)
		jit_table_add_func(t, code->base, code->len, name);
}

/* ---- parts of two kinds ---- */

/* Between builtins there is padding, where nobody is. */
static void add_builtins(struct build *b, uint32_t start, size_t len)
{
	const struct v8_blob *v = &b->blob;
	char name[192];

	for (size_t i = 0; i < v->n; i++) {
		const struct v8_builtin *f = &v->builtin[i];
		if (f->start > len || f->len > len - f->start)
			break;
		struct flow_code code = { .bytes = b->bytes + f->start,
					  .len = f->len,
					  .base = start + f->start,
					  .whole = true };
		if (f->name)
			snprintf(name, sizeof(name), "Builtins_%s", f->name);
		else
			snprintf(name, sizeof(name), "Builtins_%zu", i);
		add_code(b, &code, name);
	}
}

static void add_gap(struct build *b, uint32_t start, size_t len)
{
	struct flow_code code = {
		.bytes = b->bytes, .len = (uint32_t)len, .base = start, .several = true
	};
	add_code(b, &code, NULL);
}

static bool is_blob(const struct build *b, const struct gap *g)
{
	return b->blob.n && g->start < b->blob.code + b->blob.code_size && g->end > b->blob.code;
}

/* What of a gap lies before the blob or behind it. */
static struct err *add_part(struct build *b, uint64_t start, uint64_t end, enum jit_kind kind)
{
	struct object *o = b->o;
	if (start >= end || end - start > b->budget)
		return NULL;
	b->budget -= end - start;
	b->bytes = malloc(end - start);
	struct object_part *part = reallocarray(o->part, o->nparts + 1, sizeof(*part));
	if (part)
		o->part = part;
	if (!b->bytes || !part) {
		free(b->bytes);
		return &err_nomem;
	}
	size_t got = mem_read_some(b->s->mem, start, b->bytes, end - start);
	uint32_t at = (uint32_t)(start - o->lo);
	if (got) {
		part[o->nparts++] = (struct object_part){ at, at + (uint32_t)got, kind };
		if (kind == JIT_V8_BUILTINS)
			add_builtins(b, at, got);
		else
			add_gap(b, at, got);
	}
	free(b->bytes);
	b->bytes = NULL;
	return NULL;
}

static struct err *add_parts(struct build *b)
{
	struct err *err = NULL;
	bool blob_done = false;

	for (size_t i = 0; i < b->gaps.n && !err; i++) {
		const struct gap *g = &b->gaps.gap[i];
		if (!is_blob(b, g)) {
			err = add_part(b, g->start, g->end, JIT_GAP);
			continue;
		}
		uint64_t code = b->blob.code, end = code + b->blob.code_size;
		err = add_part(b, g->start, code < g->start ? g->start : code, JIT_GAP);
		if (!err && !blob_done)
			err = add_part(b, code, end, JIT_V8_BUILTINS);
		blob_done = true;
		if (!err && g->end > end)
			err = add_part(b, end, g->end, JIT_GAP);
	}
	return err;
}

static struct err *analyse(struct object *o, const struct space *s, const struct image *img,
			   struct flow *f)
{
	struct build b = { .o = o, .s = s, .flow = f, .budget = GAPS_CODE_MAX };
	struct insn_decoder *d = insn_decoder_create();
	struct err *err = gaps_find(s, img->unwind, o->lo, o->hi, d, &b.gaps);

	insn_decoder_destroy(d);
	if (!err)
		err = v8_blob_find(s, o->lo, o->hi, &b.gaps, &b.blob);
	if (!err)
		err = add_parts(&b);
	if (!err && o->table.failed)
		err = &err_nomem;
	v8_blob_deinit(&b.blob);
	gaps_deinit(&b.gaps);
	if (!err || err->code == ERR_NOMEM)
		return err;
	err_drop(err); /* its table is not to be read: what it covers is not known */
	return NULL;
}

/* ---- kept ---- */

static bool make_key(struct image *img, char key[OBJECT_KEY_MAX])
{
	uint8_t id[20];
	size_t len = image_build_id(img, id, sizeof(id));
	const char *why;
	int n = snprintf(key, OBJECT_KEY_MAX, "unwind-%s%s-", FORMAT,
			 insn_available(&why) ? "" : "s");
	for (size_t i = 0; i < len; i++)
		n += snprintf(key + n, OBJECT_KEY_MAX - (size_t)n, "%02x", id[i]);
	return len >= 8;
}

static bool restore(struct object *o, const char *key, const struct jit_store *store)
{
	_cleanup_buf_ struct buf kept = { 0 };
	return store && store->load(store->ctx, key, &kept) && !kept.failed &&
	       object_restore(o, kept.data, kept.len);
}

static void save(const struct object *o, const char *key, const struct jit_store *store)
{
	_cleanup_buf_ struct buf out = { 0 };
	if (!store || o->table.nrows < WORTH_SAVING)
		return;
	object_save(o, &out);
	if (!out.failed)
		store->save(store->ctx, key, out.data, out.len);
}

static struct err *fill(struct object *o, const struct space *s, struct image *img, struct flow *f,
			const struct jit_store *store)
{
	char key[OBJECT_KEY_MAX];
	bool keyed = make_key(img, key);
	if (keyed && restore(o, key, store))
		return NULL;
	struct err *err = analyse(o, s, img, f);
	if (!err && keyed)
		save(o, key, store);
	return err;
}

struct err *object_open(const struct space *s, const struct map *first, struct flow *f,
			const struct jit_store *store, struct object **ret)
{
	struct image img;
	*ret = NULL;
	struct err *err = image_open(s->mem, first->start, &img);
	if (err || img.hi - img.lo > UINT32_MAX) {
		err_drop(err); /* no image */
		return NULL;
	}
	struct object *o = calloc(1, sizeof(*o));
	char *path = strdup(first->path);
	if (!o || !path) {
		free(o);
		free(path);
		image_deinit(&img);
		return &err_nomem;
	}
	o->first = first->start;
	o->dev = first->dev;
	o->inode = first->inode;
	o->lo = img.lo;
	o->hi = img.hi;
	o->path = path;
	err = fill(o, s, &img, f, store);
	image_deinit(&img);
	if (err)
		object_free(o);
	else
		*ret = o;
	return err;
}
