/* SPDX-License-Identifier: MIT */
#include "stub/codelib.h"

#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qxfer/jit/image.h"
#include "stub/view.h"

#define FOLDER	  "/archerfish/"
#define NAME_ROOM 32u

enum { FIXED, COMPILED, PARTS };

struct part {
	struct jit_image image;
	char name[NAME_ROOM]; /* "": there is none */
	uint64_t stamp;	      /* of the regions that it has */
	uint64_t announced_stamp;
};

struct codelib {
	bool on;
	bool listed; /* the client has read the list */
	struct part part[PARTS];
	uint32_t number; /* of the last one */
};

struct err *codelib_create(bool on, struct codelib **ret)
{
	struct codelib *c = calloc(1, sizeof(*c));
	if (!c)
		return &err_nomem;
	c->on = on;
	*ret = c;
	return NULL;
}

void codelib_destroy(struct codelib *c)
{
	for (size_t i = 0; c && i < PARTS; i++)
		buf_deinit(&c->part[i].image.bytes);
	free(c);
}

void codelib_opened(struct codelib *c)
{
	if (c)
		c->listed = false;
}

bool codelib_is_on(const struct session *s)
{
	return s->codelib && s->jit && s->codelib->on && s->target->arch->elf_machine == EM_X86_64;
}

void codelib_switch(struct session *s, bool on)
{
	if (s->codelib)
		s->codelib->on = on;
}

/* ---- which regions ---- */

static bool is_fixed(const struct jit_region *r)
{
	return r->fixed;
}

/*
 * lldb (14 to 23) finds no code behind a section that lies within another file's: of what
 * is in an image it gets that alone which is mapped a second time.
 */
static bool is_fixed_apart(const struct jit_region *r)
{
	return r->fixed && r->second;
}

static bool is_compiled(const struct jit_region *r)
{
	return !r->fixed;
}

typedef bool (*chooser)(const struct jit_region *r);

static chooser chooser_of(const struct session *s, size_t part)
{
	if (part == COMPILED)
		return is_compiled;
	return s->peer.lldb ? is_fixed_apart : is_fixed;
}

static uint64_t stamp_of(const struct jit_region *r, size_t n, chooser wanted)
{
	uint64_t h = 0;
	for (size_t i = 0; i < n; i++) {
		const uint64_t words[] = { r[i].start, r[i].end, r[i].version };
		for (size_t k = 0; wanted(&r[i]) && k < 3; k++)
			h = (h ^ words[k]) * 0x9e3779b97f4a7c15ull + 1;
	}
	return h;
}

/* ---- images ---- */

static void make(struct session *s, size_t which, const struct jit_region *r, size_t n)
{
	struct codelib *c = s->codelib;
	struct part *p = &c->part[which];
	chooser wanted = chooser_of(s, which);
	uint64_t stamp = stamp_of(r, n, wanted);
	uint64_t place = CODELIB_BASE + (c->number + 1ull) % 0x100000 * 0x1000;

	if (stamp == p->stamp)
		return;
	p->stamp = stamp;
	p->name[0] = '\0';
	if (!stamp)
		return;
	snprintf(p->name, sizeof(p->name), "code-%u.so", c->number + 1);
	struct err *err = jit_image_write(r, n, wanted, place, p->name, &p->image);
	if (err) {
		session_log(s, DEBUG_GENERAL, "no unwind tables: %s", err->msg);
		p->name[0] = '\0';
		err_drop(err);
		return;
	}
	c->number++;
}

static bool has_compiled(const struct space *s)
{
	for (size_t i = 0; i < s->maps->n; i++)
		if (jit_is_compiled(&s->maps->map[i]))
			return true;
	return false;
}

/* Makes the images of this stop. */
static void look(struct session *s)
{
	const struct space *space;
	const struct jit_region *r = NULL;
	size_t n = 0;

	struct err *err = target_space(s->target, &space);
	if (!err && has_compiled(space))
		err = jit_survey(s->jit, space, &r, &n);
	if (err)
		session_log(s, DEBUG_GENERAL, "no unwind tables: %s", err->msg);
	else
		for (size_t i = 0; i < PARTS; i++)
			make(s, i, r, n);
	err_drop(err);
}

/* ---- for the client ---- */

void codelib_put(struct session *s, uint64_t lmid, struct buf *out)
{
	if (!codelib_is_on(s))
		return;
	struct codelib *c = s->codelib;
	look(s);
	c->listed = true;
	for (size_t i = 0; i < PARTS; i++) {
		struct part *p = &c->part[i];
		p->announced_stamp = p->stamp;
		if (!p->name[0])
			continue;
		buf_puts(out, "<library name=\"");
		view_put_file_name(s, p->name, &p->image.bytes, out);
		buf_printf(out,
			   "\" lm=\"0x%llx\" l_addr=\"0x%llx\" l_ld=\"0x%llx\" lmid=\"0x%llx\"/>\n",
			   (unsigned long long)p->image.lm, JIT_IMAGE_L_ADDR,
			   (unsigned long long)p->image.l_ld, (unsigned long long)lmid);
	}
}

int codelib_open_file(struct session *s, const char *path)
{
	size_t n = strlen(FOLDER);
	if (!codelib_is_on(s) || strncmp(path, FOLDER, n) != 0)
		return -1;
	for (size_t i = 0; i < PARTS; i++) {
		const struct part *p = &s->codelib->part[i];
		if (p->name[0] && strcmp(path + n, p->name) == 0)
			return view_memory_file(p->name, p->image.bytes.data, p->image.bytes.len);
	}
	return -1;
}

bool codelib_has_news(struct session *s)
{
	struct codelib *c = s->codelib;
	if (!codelib_is_on(s) || !c->listed)
		return false;
	look(s);
	for (size_t i = 0; i < PARTS; i++)
		if (c->part[i].stamp != c->part[i].announced_stamp)
			return true;
	return false;
}
