// What Swift's Glibc module leaves out: epoll(7) and timerfd_create(2).
#pragma once

#include <sys/epoll.h>
#include <sys/timerfd.h>
