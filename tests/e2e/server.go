// SPDX-License-Identifier: BSD-2-Clause OR GPL-2.0-only

// A server in Go whose listener C opens, or, with an argument, Go itself.
package main

/*
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

static int open_listener(void)
{
	struct sockaddr_in in = {
		.sin_family = AF_INET,
		.sin_port = htons(8080),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	return bind(fd, (struct sockaddr *)&in, sizeof(in)) || listen(fd, 16) ? -1 : fd;
}
*/
import "C"

import (
	"net"
	"os"
)

func main() {
	var listener net.Listener
	var err error
	if len(os.Args) > 1 {
		listener, err = net.Listen("tcp4", "127.0.0.1:8080")
	} else {
		listener, err = net.FileListener(os.NewFile(uintptr(C.open_listener()), "listener"))
	}
	for err == nil {
		var connection net.Conn
		connection, err = listener.Accept()
		if err == nil {
			connection.Write([]byte("go\n"))
			connection.Close()
		}
	}
	panic(err)
}
