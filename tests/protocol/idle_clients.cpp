// Clients that ask once each, and then keep their connections without a word: for the test of ten thousand of them.
//     idle_clients PORT NUMBER
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <netinet/in.h>
#include <string_view>
#include <sys/resource.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

int main(int argc, char** argv)
{
    if (argc != 3)
        return 2;
    auto const number = std::strtoul(argv[2], nullptr, 10);
    rlimit     files{};
    ::getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
    sockaddr_in there{};
    there.sin_family = AF_INET;
    there.sin_port = htons(static_cast<unsigned short>(std::strtoul(argv[1], nullptr, 10)));
    there.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (unsigned long i = 0; i < number; ++i)
    {
        int const                         s = ::socket(AF_INET, SOCK_STREAM, 0);
        static constexpr std::string_view ask = "GET /api/ping HTTP/1.1\r\nHost: localhost\r\n\r\n";
        std::array<char, 1'024>           said;
        if (s < 0 || ::connect(s, reinterpret_cast<sockaddr*>(&there), sizeof there) != 0 ||
            ::write(s, ask.data(), ask.size()) != static_cast<ssize_t>(ask.size()) || ::read(s, said.data(), said.size()) <= 0)
        {
            std::printf("only %lu: %s\n", i, std::strerror(errno));
            return 1;
        }
    }
    std::printf("all there\n");
    std::fflush(stdout);
    // Until the test ends this process.
    std::this_thread::sleep_for(std::chrono::seconds(60));
}
