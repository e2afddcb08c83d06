/* SPDX-License-Identifier: MIT */
/*
 * What lldb needs to show virtual threads: it does not read libraries by vFile from a
 * server that it is just connected to, so they are files on this machine.
 */
#include "stub/runtime_dir.h"
#include "stub/view_priv.h"

/* The folder, made when it is needed first; NULL: there is none to be had. */
static struct runtime_dir *private_dir(struct session *s)
{
	struct view *v = s->view;

	if (v->dir || v->no_dir)
		return v->dir;
	struct err *err = runtime_dir_open(&v->dir);
	if (err) {
		session_log(s, DEBUG_GENERAL, "no folder for lldb: %s", err->msg);
		v->no_dir = true;
		err_drop(err);
	}
	return v->dir;
}

void view_put_library_name(struct session *s, const struct synth_generation *g, struct buf *out)
{
	struct view *v = s->view;
	struct runtime_dir *dir = s->peer.lldb ? private_dir(s) : NULL;

	if (dir && g->number > v->written) {
		struct err *err = runtime_dir_put(dir, g->name, g->bytes, g->len);
		if (err)
			session_log(s, DEBUG_GENERAL, "no %s for lldb: %s", g->name, err->msg);
		else
			v->written = g->number;
		err_drop(err); /* lldb shows its functions without names */
	}
	buf_put_xml(out, dir ? runtime_dir_path(dir) : VIEW_ROOT);
	buf_printf(out, "/%s", g->name);
}

void view_put_file_name(struct session *s, const char *name, const struct buf *bytes,
			struct buf *out)
{
	struct runtime_dir *dir = s->peer.lldb ? private_dir(s) : NULL;

	if (dir) {
		struct err *err = runtime_dir_put(dir, name, bytes->data, bytes->len);
		if (err)
			session_log(s, DEBUG_GENERAL, "no %s for lldb: %s", name, err->msg);
		err_drop(err); /* lldb goes by its own rules then */
	}
	buf_put_xml(out, dir ? runtime_dir_path(dir) : VIEW_ROOT);
	buf_printf(out, "/%s", name);
}

/* Of what was forgotten nothing is left; names are never used again. */
void view_remove_libraries(struct view *v)
{
	for (size_t i = 0; v->dir && v->synth && i < synth_generation_count(v->synth); i++)
		runtime_dir_remove(v->dir, synth_generation_at(v->synth, i)->name);
}

void view_close_dir(struct view *v)
{
	runtime_dir_close(v->dir);
	v->dir = NULL;
}

/* lldb unwinds to no address that it does not know to be executable. */
bool view_region(struct session *s, uint64_t addr, uint64_t *start_ret, uint64_t *end_ret)
{
	const struct synth *synth = s->view ? s->view->synth : NULL;

	for (size_t i = 0; view_is_on(s) && synth && i < synth_generation_count(synth); i++) {
		const struct synth_generation *g = synth_generation_at(synth, i);
		uint64_t end = g->l_addr + (g->mapped + VIEW_PAGE - 1) / VIEW_PAGE * VIEW_PAGE;
		if (addr >= end)
			continue;
		*start_ret = g->l_addr;
		*end_ret = end;
		return true;
	}
	return false;
}
