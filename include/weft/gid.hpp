/// \file
/// What a transaction is called.
#pragma once

#include <compare>
#include <cstddef>
#include <iosfwd>
#include <string>
#include <utility>

namespace weft {
inline namespace v0 {

/// The name of a transaction. Whoever starts it chooses it, and asks for it by the same one: take what the
/// client cannot change when it asks again, such as the order's number.
///
///     co_await place.execute(weft::gid("place-" + o.id), o);
///
/// A type of its own, so that it cannot be mistaken for another string; no string becomes one by itself.
/// Shape: 1 to 128 bytes of UTF-8, without NUL. The engine refuses any other one: misuse(bad_gid).
class gid
{
public:
    explicit gid(std::string text) noexcept : text_(std::move(text)) { }

    std::string const& str() const& noexcept { return text_; }
    std::string&&      str() && noexcept { return std::move(text_); }

    friend bool operator==(gid const&, gid const&) = default;
    friend auto operator<=>(gid const&, gid const&) = default;

    template <class Traits>
    friend std::basic_ostream<char, Traits>& operator<<(std::basic_ostream<char, Traits>& out, gid const& g)
    {
        return out << g.text_;
    }

private:
    std::string text_;
};

inline namespace literals {

/// `"place-4711"_gid`, after `using namespace weft::literals`.
inline gid operator""_gid(char const* text, std::size_t size) { return gid(std::string(text, size)); }

}  // namespace literals
}  // namespace v0
}  // namespace weft
