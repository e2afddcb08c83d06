/* SPDX-License-Identifier: MIT */
/* osdata: processors, kernel modules, sockets. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "qxfer/host.h"
#include "qxfer/osdata.h"

static const char *trim(char *text)
{
	text += strspn(text, " \t");
	for (size_t n = strlen(text); n && strchr(" \t", text[n - 1]); n--)
		text[n - 1] = '\0';
	return text;
}

static void put_cpu_line(char *line, bool *open, struct buf *out)
{
	char *colon = strchr(line, ':');
	if (!colon)
		return;
	*colon = '\0';
	const char *name = trim(line), *value = trim(colon + 1);
	if (strcmp(name, "processor") == 0) {
		if (*open)
			osdata_item_end(out);
		osdata_item(out);
		*open = true;
	}
	if (!*open)
		return; /* some architectures have lines about the machine */
	buf_puts(out, "<column name=\"");
	buf_put_xml(out, name);
	buf_puts(out, "\">");
	buf_put_xml(out, value);
	buf_puts(out, "</column>\n");
}

OSDATA(osdata_cpus)
{
	_cleanup_buf_ struct buf text = { 0 };
	char *save = NULL;
	bool open = false;
	(void)ctx;

	osdata_begin(out, "cpus");
	if (host_text("/proc/cpuinfo", &text))
		for (char *line = strtok_r((char *)text.data, "\n", &save); line;
		     line = strtok_r(NULL, "\n", &save))
			put_cpu_line(line, &open, out);
	if (open)
		osdata_item_end(out);
	osdata_end(out);
	return NULL;
}

OSDATA(osdata_modules)
{
	static const char *const columns[] = { "name",	       "size",	 "num uses",
					       "dependencies", "status", "address" };
	_cleanup_buf_ struct buf text = { 0 };
	char *line_save = NULL;
	(void)ctx;

	osdata_begin(out, "modules");
	char *line = host_text("/proc/modules", &text)
			     ? strtok_r((char *)text.data, "\n", &line_save)
			     : NULL;
	for (; line; line = strtok_r(NULL, "\n", &line_save)) {
		char *save = NULL, *word = strtok_r(line, " ", &save);
		osdata_item(out);
		for (size_t i = 0; word && i < sizeof(columns) / sizeof(columns[0]); i++) {
			osdata_text(out, columns[i], word);
			word = strtok_r(NULL, " ", &save);
		}
		osdata_item_end(out);
	}
	osdata_end(out);
	return NULL;
}

struct socket_table {
	const char *path, *family, *protocol;
	int af;
};

/* "0100007F:1F90": each 32 bits of the address as the machine would write the number. */
static bool put_address(const char *text, int af, const char *address_column,
			const char *port_column, struct buf *out)
{
	unsigned int words = af == AF_INET ? 1 : 4, port;
	uint32_t address[4] = { 0 };
	char printed[INET6_ADDRSTRLEN];

	for (unsigned int i = 0; i < words; i++) {
		char hex[9] = "";
		for (unsigned int k = 0; k < 8 && text[8 * i + k]; k++)
			hex[k] = text[8 * i + k];
		if (strlen(hex) < 8)
			return false;
		address[i] = (uint32_t)strtoul(hex, NULL, 16);
	}
	if (sscanf(text + (size_t)8 * words, ":%x", &port) != 1 ||
	    !inet_ntop(af, address, printed, sizeof(printed)))
		return false;
	osdata_text(out, address_column, printed);
	osdata_uint(out, port_column, port);
	return true;
}

/* linux/include/net/tcp_states.h */
static const char *state_name(unsigned int state)
{
	static const char *const names[] = {
		"(unknown)", "ESTABLISHED", "SYN_SENT",	  "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2",
		"TIME_WAIT", "CLOSE",	    "CLOSE_WAIT", "LAST_ACK", "LISTEN",	   "CLOSING",
	};
	return names[state < sizeof(names) / sizeof(names[0]) ? state : 0];
}

static void put_socket(const struct socket_table *t, const char *line,
		       const struct host_names *users, struct buf *out)
{
	_cleanup_buf_ struct buf row = { 0 };
	char local[48], remote[48], room[16];
	unsigned int state, uid;

	/* sl local remote st tx:rx tr:when retrans uid ... */
	if (sscanf(line, "%*d: %47s %47s %x %*s %*s %*s %u", local, remote, &state, &uid) != 4 ||
	    !put_address(local, t->af, "local address", "local port", &row) ||
	    !put_address(remote, t->af, "remote address", "remote port", &row))
		return;
	osdata_item(out);
	buf_put(out, row.data, row.len);
	osdata_text(out, "state", state_name(state));
	osdata_text(out, "user", host_name_of(users, uid, room));
	osdata_text(out, "family", t->family);
	osdata_text(out, "protocol", t->protocol);
	osdata_item_end(out);
}

OSDATA(osdata_sockets)
{
	static const struct socket_table tables[] = {
		{ "/proc/net/tcp", "INET", "STREAM", AF_INET },
		{ "/proc/net/tcp6", "INET6", "STREAM", AF_INET6 },
		{ "/proc/net/udp", "INET", "DGRAM", AF_INET },
		{ "/proc/net/udp6", "INET6", "DGRAM", AF_INET6 },
	};
	_cleanup_host_names_ struct host_names users;
	(void)ctx;

	host_users(&users);
	osdata_begin(out, "sockets");
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		_cleanup_buf_ struct buf text = { 0 };
		char *save = NULL, *line = NULL;
		if (host_text(tables[i].path, &text))
			line = strtok_r((char *)text.data, "\n", &save); /* the heading */
		while (line && (line = strtok_r(NULL, "\n", &save)))
			put_socket(&tables[i], line, &users, out);
	}
	osdata_end(out);
	return NULL;
}
