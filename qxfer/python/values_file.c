/* SPDX-License-Identifier: MIT */
/*
 * Open files: FileIO, the buffered readers and writers, TextIOWrapper.
 * Modules/_io/{fileio,bufferedio,textio}.c; the fields here are the same since 3.6.
 */
#include "qxfer/python/values_priv.h"

#include <inttypes.h>
#include <string.h>

#define LAYERS_MAX 8u

/* In the head of each: where the layer below is, and whether it was taken away. */
static const struct layer {
	const char *kind;
	uint32_t below, ok, detached;
} layers[] = {
	{ "_io.TextIOWrapper", 16, 0, 4 },
	{ "_io.BufferedReader", 0, 8, 12 },
	{ "_io.BufferedWriter", 0, 8, 12 },
	{ "_io.BufferedRandom", 0, 8, 12 },
};

static const struct layer *find_layer(const struct py_type *t)
{
	for (size_t i = 0; t->kind && i < sizeof(layers) / sizeof(layers[0]); i++)
		if (strcmp(t->kind->name, layers[i].kind) == 0)
			return &layers[i];
	return NULL;
}

/* From a layer to the one below. */
static struct err *descend(struct py_values *v, uint64_t addr, const struct layer *l, uint64_t *ret)
{
	uint64_t head = v->off->object.var_size;
	int32_t ok, detached;
	struct err *err = val_read(v, addr + head + l->ok, &ok, sizeof(ok));
	if (!err)
		err = val_read(v, addr + head + l->detached, &detached, sizeof(detached));
	if (!err && (ok <= 0 || detached))
		err = err_new(ERR_NOT_FOUND, "a file that was closed while it was opened");
	return err ? err : val_field(v, addr, l->below, ret);
}

/* What has the name itself: a FileIO or a BytesIO. */
static bool has_name(const struct py_type *t)
{
	return (t->kind && strcmp(t->kind->name, "_io.FileIO") == 0) ||
	       strcmp(t->tp_name, "_io.BytesIO") == 0;
}

/* The name, 0 if it has none; ERR_NOT_FOUND if nobody but the inferior could tell. */
static struct err *find_name(struct py_values *v, uint64_t addr, uint64_t *ret)
{
	for (unsigned int i = 0; i < LAYERS_MAX; i++) {
		const struct py_type *t;
		struct err *err = val_type_of(v, addr, &t);
		if (err)
			return err;
		const struct layer *l = find_layer(t);
		if (!l && has_name(t))
			return val_attr(v, addr, t, "name", ret);
		if (!l || !t->exact)
			return err_new(ERR_NOT_FOUND, "the name of a %s", t->name);
		err = descend(v, addr, l, &addr);
		if (err)
			return err;
	}
	return err_new(ERR_BAD_DATA, "files without end");
}

static struct err *put_buffered(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	uint64_t name = 0;
	struct err *err = find_name(v, addr, &name);
	if (err)
		return err;
	buf_puts(v->out, "<");
	buf_puts(v->out, t->tp_name);
	if (name) {
		buf_puts(v->out, " name=");
		val_put(v, name);
	}
	buf_puts(v->out, ">");
	return NULL;
}

/* { head, ok 0, detached 4, chunk_size 8, buffer 16, encoding 24 } */
static struct err *put_text(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	uint64_t name = 0, mode = 0, encoding;
	struct err *err = find_name(v, addr, &name);
	if (!err)
		err = val_attr(v, addr, t, "mode", &mode);
	if (!err)
		err = val_field(v, addr, 24, &encoding);
	if (err)
		return err;
	buf_puts(v->out, "<");
	buf_puts(v->out, t->tp_name);
	if (name) {
		buf_puts(v->out, " name=");
		val_put(v, name);
	}
	if (mode) {
		buf_puts(v->out, " mode=");
		val_put(v, mode);
	}
	buf_puts(v->out, " encoding=");
	val_put(v, encoding);
	buf_puts(v->out, ">");
	return NULL;
}

/* The bits of struct fileio behind fd. */
enum { CREATED = 1, READABLE = 2, WRITABLE = 4, APPENDING = 8, CLOSEFD = 64 };
enum { TRUNCATE_315 = 64, CLOSEFD_315 = 128 };

static const char *mode_of(const struct py_values *v, uint32_t bits)
{
	bool both = bits & READABLE;
	if (bits & CREATED)
		return both ? "xb+" : "xb";
	if (bits & APPENDING)
		return both ? "ab+" : "ab";
	if (!both)
		return "wb";
	if (!(bits & WRITABLE))
		return "rb";
	return PY_MINOR(v->off->version_hex) >= 0x030f && bits & TRUNCATE_315 ? "wb+" : "rb+";
}

static struct err *put_fileio(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	int32_t fd;
	uint8_t bits;
	uint64_t name, head = v->off->object.var_size;
	bool new = PY_MINOR(v->off->version_hex) >= 0x030f;
	struct err *err = val_read(v, addr + head, &fd, sizeof(fd));
	if (!err)
		err = val_read(v, addr + head + 4, &bits, sizeof(bits));
	if (!err)
		err = val_attr(v, addr, t, "name", &name);
	if (err)
		return err;
	buf_puts(v->out, "<");
	buf_puts(v->out, t->tp_name);
	if (fd < 0) {
		buf_puts(v->out, " [closed]>");
		return NULL;
	}
	if (name) {
		buf_puts(v->out, " name=");
		val_put(v, name);
	} else {
		buf_printf(v->out, " fd=%" PRId32, fd);
	}
	buf_printf(v->out, " mode='%s' closefd=%s>", mode_of(v, bits),
		   bits & (new ? CLOSEFD_315 : CLOSEFD) ? "True" : "False");
	return NULL;
}

struct err *val_show_file(struct py_values *v, uint64_t addr, const struct py_type *t)
{
	size_t start = v->out->len;
	struct err *err;
	/* A class of it may have its own name. */
	if (!t->exact)
		return val_put_opaque(v, addr, t);
	if (strcmp(t->kind->name, "_io.FileIO") == 0)
		err = put_fileio(v, addr, t);
	else if (strcmp(t->kind->name, "_io.TextIOWrapper") == 0)
		err = put_text(v, addr, t);
	else
		err = put_buffered(v, addr, t);
	if (!err || err->code != ERR_NOT_FOUND)
		return err;
	err_drop(err);
	v->out->len = start;
	return val_put_opaque(v, addr, t);
}
