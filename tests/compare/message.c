/*
 * message MODE ADDRESS COUNT: one end or both of something that carries messages of 64 bytes. compare runs it.
 *
 *   mq NAME      one message written and read back, COUNT times: mq_overview(7)
 *   file PATH    the same by write(2) and read(2), the file opened for both: a queue, a FIFO
 *   unix PATH    the same over a Unix socket, both ends here: unix(7)
 *   face DIR     the same over a touched socket with that control directory, both ends here
 *   redis PATH   the same by LPUSH and RPOP of a Redis server at a Unix socket
 *   nats PORT    the same by PUB and SUB of a NATS server of this machine, which keeps nothing
 *   mqsend, mqtake NAME   send COUNT messages to a queue; take them
 *   send NAME    one message of five bytes, as from a shell
 *
 * Exits 1 with the reason if something is refused.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <mqueue.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { SIZE = 64, ROOM = 8192 };

static char message[SIZE + 1], room[ROOM];

static int must(int n, const char *what) {
	if (n < 0) {
		perror(what);
		exit(1);
	}
	return n;
}

/* get reads until n bytes have come. */
static void get(int fd, int n) {
	while (n > 0) {
		int got = must(read(fd, room, n), "read");
		if (got == 0)
			exit(1);
		n -= got;
	}
}

static void put(int fd, const char *bytes, int n) { must(write(fd, bytes, n), "write"); }

static int local(const char *path, int listening) {
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = must(socket(AF_UNIX, SOCK_STREAM, 0), "socket");
	strncpy(at.sun_path, path, sizeof at.sun_path - 1);
	if (listening) {
		must(bind(fd, (struct sockaddr *)&at, sizeof at), path);
		must(listen(fd, 1), path);
	} else {
		must(connect(fd, (struct sockaddr *)&at, sizeof at), path);
	}
	return fd;
}

static int loopback(int port) {
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = must(socket(AF_INET, SOCK_STREAM, 0), "socket");
	must(connect(fd, (struct sockaddr *)&at, sizeof at), "connect");
	return fd;
}

/* both writes into one end and reads from the other. */
static void both(int in, int out, int count) {
	while (count-- > 0) {
		put(in, message, SIZE);
		get(out, SIZE);
	}
}

static void redis(int fd, int count) {
	char push[200], pop[] = "*2\r\n$4\r\nRPOP\r\n$4\r\npair\r\n";
	int n = sprintf(push, "*3\r\n$5\r\nLPUSH\r\n$4\r\npair\r\n$%d\r\n%s\r\n", SIZE, message);
	while (count-- > 0) {
		put(fd, push, n);
		get(fd, 4); /* :1, CR, LF */
		put(fd, pop, sizeof pop - 1);
		get(fd, 5 + SIZE + 2); /* $64, CR, LF, the bytes, CR, LF */
	}
}

static void nats(int fd, int count) {
	char publish[200], ok[] = "CONNECT {\"verbose\":false}\r\nSUB pair 1\r\nPING\r\n";
	int n = sprintf(publish, "PUB pair %d\r\n%s\r\n", SIZE, message);
	put(fd, ok, sizeof ok - 1);
	for (char *end = room; !(*end = 0, strstr(room, "PONG\r\n"));) /* INFO comes first */
		end += must(read(fd, end, room + ROOM - 1 - end), "read");
	while (count-- > 0) {
		put(fd, publish, n);
		get(fd, 15 + SIZE + 2); /* MSG pair 1 64, CR, LF, the bytes, CR, LF */
	}
}

int main(int argc, char **argv) {
	if (argc != 4)
		return 2;
	const char *mode = argv[1], *at = argv[2];
	int count = atoi(argv[3]);
	char path[4096];
	memset(message, 'x', SIZE);
	if (!strncmp(mode, "mq", 2) || !strcmp(mode, "send")) {
		mqd_t q = mq_open(at, O_RDWR);
		must(q, at);
		for (; count > 0; count--) {
			if (strcmp(mode, "mqtake"))
				must(mq_send(q, message, strcmp(mode, "send") ? SIZE : 5, 0), "mq_send");
			if (!strcmp(mode, "mq") || !strcmp(mode, "mqtake"))
				must(mq_receive(q, room, sizeof room, NULL), "mq_receive");
		}
	} else if (!strcmp(mode, "file")) {
		int fd = must(open(at, O_RDWR), at);
		both(fd, fd, count);
	} else if (!strcmp(mode, "unix")) {
		int listener = local(at, 1), in = local(at, 0);
		both(in, must(accept(listener, NULL, NULL), "accept"), count);
	} else if (!strcmp(mode, "face")) {
		snprintf(path, sizeof path, "%s/dial", at);
		int in = must(open(path, O_RDWR), path);
		snprintf(path, sizeof path, "%s/accept", at);
		both(in, must(open(path, O_RDWR), path), count);
	} else if (!strcmp(mode, "redis")) {
		redis(local(at, 0), count);
	} else if (!strcmp(mode, "nats")) {
		nats(loopback(atoi(at)), count);
	} else {
		return 2;
	}
	return 0;
}
