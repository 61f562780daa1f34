#include "progress.hpp"

#include "text.hpp"

#include <algorithm>
#include <cstdio>
#include <sys/ioctl.h>
#include <unistd.h>

namespace {

std::size_t columns()
{
    winsize size{};
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

std::string repeated(char const* what, std::size_t times)
{
    std::string text;
    for (std::size_t i = 0; i < times; ++i)
        text += what;
    return text;
}

}  // namespace

progress::progress(std::chrono::milliseconds every) : bar_(isatty(STDERR_FILENO)), lines_(!isatty(STDOUT_FILENO)), every_(every) { }

progress::~progress() { clear(); }

void progress::show(figures const& f)
{
    auto const now = clock::now();
    auto const seconds = std::chrono::duration<double>(now - began_).count();
    auto const fresh = static_cast<double>(f.done - std::min(f.earlier, f.done));
    auto const per_second = seconds > 0 ? fresh / seconds : 0;
    if (bar_ && now - last_drawn_ >= std::chrono::milliseconds(100))
    {
        last_drawn_ = now;
        draw(f, per_second);
    }
    if (lines_ && now - last_line_ >= every_)
    {
        last_line_ = now;
        std::printf("%zu of %zu orders done, %zu in flight, %.0f orders/s\n", f.done, f.of, f.in_flight, per_second);
        std::fflush(stdout);
    }
}

void progress::draw(figures const& f, double per_second)
{
    bool const        pretty = unicode();
    std::string const text = "  " + grouped(static_cast<std::int64_t>(f.done)) + " / " + grouped(static_cast<std::int64_t>(f.of)) + "   " +
                             padded_left(grouped(static_cast<std::int64_t>(per_second)), 6) + " orders/s   " + std::to_string(f.in_flight) +
                             " in flight";
    auto const room = columns();
    auto const length = room > text.size() + 14 ? std::min<std::size_t>(40, room - text.size() - 4) : 10;
    auto const full = f.of ? length * f.done / f.of : 0;
    std::fprintf(stderr, "\r  %s%s%s\033[K", repeated(pretty ? "━" : "#", full).c_str(),
                 (pretty ? "\033[2m" + repeated("━", length - full) + "\033[0m" : repeated(".", length - full)).c_str(), text.c_str());
    std::fflush(stderr);
    drawn_ = true;
}

void progress::clear()
{
    if (drawn_)
        std::fputs("\r\033[K", stderr);
    std::fflush(stderr);
    drawn_ = false;
}
