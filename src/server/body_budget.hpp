// How many bytes of bodies a server holds at a time, those of all its connections together.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <string>
#include <utility>

namespace weft {
inline namespace v0 {
namespace server_detail {

constexpr std::size_t small_body = 16u << 10;

// Thread safety: any thread.
class body_budget
{
public:
    explicit body_budget(std::size_t limit) : limit_(limit) { }

    // False if there is no room. Large bodies leave a quarter to the small ones: most of what clients ask for is small.
    bool take(std::size_t bytes, bool large) noexcept
    {
        auto const most = large ? limit_ - limit_ / 4 : limit_;
        auto       held = held_.load();
        do
            if (held > most || bytes > most - held)
                return false;
        while (!held_.compare_exchange_weak(held, held + bytes));
        return true;
    }
    void give(std::size_t bytes) noexcept { held_ -= bytes; }

    // True for whoever holds more than there may be of, until `alone_ends`: one at a time.
    bool alone_begins() noexcept { return !alone_.exchange(true); }
    void alone_ends() noexcept { alone_ = false; }

private:
    std::size_t const        limit_;
    std::atomic<std::size_t> held_{0};
    std::atomic<bool>        alone_{false};
};

// A part of it, until this is destroyed. Lifetimes: the budget outlives it.
class held_bytes
{
public:
    held_bytes() = default;
    explicit held_bytes(body_budget& of) : of_(&of) { }
    held_bytes(held_bytes&& other) noexcept
        : of_(other.of_)
        , held_(std::exchange(other.held_, 0))
        , alone_(std::exchange(other.alone_, false))
    { }
    held_bytes& operator=(held_bytes&& other) noexcept
    {
        std::swap(of_, other.of_);
        std::swap(held_, other.held_);
        std::swap(alone_, other.alone_);
        return *this;
    }
    ~held_bytes()
    {
        if (held_ > 0)
            of_->give(held_);
        if (alone_)
            of_->alone_ends();
    }

    // So many from now on, in all. False: it holds what it held.
    bool grow_to(std::size_t bytes) noexcept
    {
        if (bytes > held_ && !of_->take(bytes - held_, bytes > small_body))
            return false;
        held_ = std::max(held_, bytes);
        return true;
    }

    // The same; and where there is no room, but nobody else does so, it is held beside what there may be.
    bool grow_to_or_alone(std::size_t bytes) noexcept { return grow_to(bytes) || (alone_ = of_->alone_begins()); }

private:
    body_budget* of_ = nullptr;
    std::size_t  held_ = 0;
    bool         alone_ = false;
};

struct held_body
{
    std::string text;
    held_bytes  bytes;

    // Of an empty text that is assigned, a string keeps its memory.
    void let_go() noexcept
    {
        std::string().swap(text);
        bytes = {};
    }
};

}  // namespace server_detail
}  // namespace v0
}  // namespace weft
