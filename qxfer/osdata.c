/* SPDX-License-Identifier: MIT */
#include "qxfer/osdata.h"

#include <string.h>

#include "qxfer/jit_regions.h"
#include "qxfer/python.h"

/* A longer document is more than `info os' could show. */
#define OSDATA_MAX (64u << 20)

typedef struct err *(*python_table)(struct python *py, const struct space *s, struct buf *out);

static struct err *python_osdata(const struct qxfer_ctx *ctx, python_table table, struct buf *out)
{
	const struct space *space;
	if (ctx->target->pid <= 0)
		return err_new(ERR_STATE, "no process");
	struct err *err = target_space(ctx->target, &space);
	return err ? err : table(ctx->python, space, out);
}

static OSDATA(osdata_python_threads)
{
	return python_osdata(ctx, python_threads_table, out);
}

static OSDATA(osdata_python_frames)
{
	return python_osdata(ctx, python_frames_table, out);
}

static OSDATA(osdata_python_locks)
{
	return python_osdata(ctx, python_locks_table, out);
}

static OSDATA(osdata_python_tasks)
{
	return python_osdata(ctx, python_tasks_table, out);
}

static OSDATA(osdata_code_regions)
{
	const struct space *space;
	if (ctx->target->pid <= 0 || !ctx->jit)
		return err_new(ERR_STATE, "no process");
	struct err *err = target_space(ctx->target, &space);
	return err ? err : jit_regions_table(ctx->jit, space, out);
}

/* clang-format off */
static const struct osdata_type {
	const char *name, *description, *title;
	bool python; /* only if Python is not off */
	OSDATA((*build));
} types[] = {
	{ "cpus",           "Listing of all cpus/cores on the system",    "CPUs",                  false, osdata_cpus },
	{ "code-regions",   "The code that no unwind table covers",       "Code regions",          false, osdata_code_regions },
	{ "files",          "Listing of all file descriptors",            "File descriptors",      false, osdata_files },
	{ "modules",        "Listing of all loaded kernel modules",       "Kernel modules",        false, osdata_modules },
	{ "msg",            "Listing of all message queues",              "Message queues",        false, osdata_msg },
	{ "processes",      "Listing of all processes",                   "Processes",             false, osdata_processes },
	{ "procgroups",     "Listing of all process groups",              "Process groups",        false, osdata_procgroups },
	{ "python-frames",  "The Python stacks of the debugged process",  "Python frames",         true,  osdata_python_frames },
	{ "python-locks",   "Who waits for which lock in Python",         "Python locks",          true,  osdata_python_locks },
	{ "python-tasks",   "The asyncio tasks of the debugged process",   "Python tasks",          true,  osdata_python_tasks },
	{ "python-threads", "The Python threads of the debugged process", "Python threads",        true,  osdata_python_threads },
	{ "semaphores",     "Listing of all semaphores",                  "Semaphores",            false, osdata_semaphores },
	{ "shm",            "Listing of all shared-memory regions",       "Shared-memory regions", false, osdata_shm },
	{ "sockets",        "Listing of all internet-domain sockets",     "Sockets",               false, osdata_sockets },
	{ "threads",        "Listing of all threads",                     "Threads",               false, osdata_threads },
};
/* clang-format on */
#define TYPES (sizeof(types) / sizeof(types[0]))

void osdata_begin(struct buf *out, const char *type)
{
	buf_puts(out, "<?xml version=\"1.0\"?>\n<!DOCTYPE target SYSTEM \"osdata.dtd\">\n");
	buf_printf(out, "<osdata type=\"%s\">\n", type);
}

void osdata_end(struct buf *out)
{
	buf_puts(out, "</osdata>\n");
}

void osdata_item(struct buf *out)
{
	buf_puts(out, "<item>\n");
}

void osdata_item_end(struct buf *out)
{
	buf_puts(out, "</item>\n");
}

void osdata_text(struct buf *out, const char *column, const char *value)
{
	buf_printf(out, "<column name=\"%s\">", column);
	buf_put_xml(out, value);
	buf_puts(out, "</column>\n");
}

void osdata_uint(struct buf *out, const char *column, unsigned long value)
{
	buf_printf(out, "<column name=\"%s\">%lu</column>\n", column, value);
}

static void put_types(const struct qxfer_ctx *ctx, struct buf *out)
{
	osdata_begin(out, "types");
	for (size_t i = 0; i < TYPES; i++) {
		if (types[i].python && !ctx->python)
			continue;
		osdata_item(out);
		osdata_text(out, "Type", types[i].name);
		osdata_text(out, "Description", types[i].description);
		osdata_text(out, "Title", types[i].title);
		osdata_item_end(out);
	}
	osdata_end(out);
}

/* An unknown type is an empty document, which gdb explains better than an error. */
DOCUMENT(build_osdata)
{
	struct err *err = NULL;

	if (!*annex)
		put_types(ctx, out);
	for (size_t i = 0; i < TYPES; i++)
		if (strcmp(types[i].name, annex) == 0 && (ctx->python || !types[i].python))
			err = types[i].build(ctx, out);
	if (!err && out->len > OSDATA_MAX)
		err = err_new(ERR_BAD_DATA, "osdata %.40s is longer than %u bytes", annex,
			      OSDATA_MAX);
	return err;
}
