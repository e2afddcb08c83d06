/* SPDX-License-Identifier: MIT */
/*
 * A C program that loads Python late:
 *
 *	embed LIBPYTHON
 *
 * Prints "waiting", and when a line comes on stdin loads the library, makes two
 * interpreters, and runs outer() in the main one, which calls across() in the other,
 * which calls innermost() in the main one again, all on the main thread.  That prints
 * "ready" and sleeps.
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>

typedef void *(*call0)(void);
typedef void *(*call1)(void *);

/* PyMethodDef, the same in every version. */
struct method {
	const char *name;
	void *(*run)(void *self, void *args);
	int flags;
	const char *doc;
};
#define METH_NOARGS 4

static void *lib, *main_state, *other, *none;

static void *need(const char *name)
{
	void *p = dlsym(lib, name);
	if (!p) {
		fprintf(stderr, "%s\n", dlerror());
		exit(1);
	}
	return p;
}

static void run(const char *code)
{
	if (((int (*)(const char *))need("PyRun_SimpleString"))(code) != 0)
		exit(1);
}

static void *go_across(void *self, void *args)
{
	(void)self;
	(void)args;
	void *save = ((call1)need("PyThreadState_Swap"))(other);
	run("def across():\n    come_back()\nacross()\n");
	((call1)need("PyThreadState_Swap"))(save);
	((void (*)(void *))need("Py_IncRef"))(none);
	return none;
}

static void *come_back(void *self, void *args)
{
	(void)self;
	(void)args;
	void *save = ((call1)need("PyThreadState_Swap"))(main_state);
	run("innermost()\n");
	((call1)need("PyThreadState_Swap"))(save);
	((void (*)(void *))need("Py_IncRef"))(none);
	return none;
}

/* Makes a function known to the scripts of the current interpreter. */
static void define(struct method *m)
{
	void *function = ((void *(*)(struct method *, void *, void *))need("PyCFunction_NewEx"))(
		m, NULL, NULL);
	void *module = ((void *(*)(const char *))need("PyImport_AddModule"))("__main__");
	void *dict = ((call1)need("PyModule_GetDict"))(module);
	((int (*)(void *, const char *, void *))need("PyDict_SetItemString"))(dict, m->name,
									      function);
}

int main(int argc, char **argv)
{
	static struct method go = { "go_across", go_across, METH_NOARGS, NULL };
	static struct method back = { "come_back", come_back, METH_NOARGS, NULL };
	char line[16];

	if (argc != 2)
		return 2;
	printf("waiting\n");
	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		return 0;
	lib = dlopen(argv[1], RTLD_NOW | RTLD_GLOBAL);
	if (!lib) {
		fprintf(stderr, "%s\n", dlerror());
		return 1;
	}
	((void (*)(int))need("Py_InitializeEx"))(0);
	none = need("_Py_NoneStruct");
	main_state = ((call0)need("PyThreadState_Get"))();
	other = ((call0)need("Py_NewInterpreter"))();
	define(&back);
	((call1)need("PyThreadState_Swap"))(main_state);
	define(&go);
	run("import time\n"
	    "def innermost():\n"
	    "    print('ready', flush=True)\n"
	    "    time.sleep(1e6)\n"
	    "def outer():\n"
	    "    go_across()\n"
	    "outer()\n");
	return 0;
}
