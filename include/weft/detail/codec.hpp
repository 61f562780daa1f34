/// \file
/// Values to JSON text and back: everything Boost.JSON converts (described structs included), and bytes as base64.
/// What `encode` takes, `decode` gives back: a value that would not come back as it went is refused (docs/decisions/010-values-come-back.md).
#pragma once

#include <weft/detail/json_reader.hpp>
#include <weft/detail/json_writer.hpp>
#include <weft/errors.hpp>

#include <boost/type_index/ctti_type_index.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace weft {
inline namespace v0 {
namespace detail {

/// Rethrows the exception in flight as misuse(bad_value): "expected a T, …". Call inside a catch block.
[[noreturn]] void throw_not_convertible(std::string const& type);

/// Rethrows the exception in flight as misuse(bad_value), whatever it is. Call inside a catch block.
[[noreturn]] void throw_not_recordable();

/// FNV-1a, 64 bit (Fowler, Noll, Vo): tells changed arguments from unchanged ones; not a defence against forgery.
std::uint64_t digest(std::string_view text) noexcept;

/// Appends `v`. Errors: misuse(bad_value) if it could not be read back.
template <class T>
void encode_to(std::string& text, T const& v, form how = form::recorded)
{
    auto const before = text.size();
    try
    {
        json_writer(text, how).write(v);
    }
    catch (...)
    {
        throw_not_recordable();
    }
    check_utf8(std::string_view(text).substr(before));
}

template <class T>
std::string encode(T const& v)
{
    std::string text;
    encode_to(text, v);
    return text;
}

template <class T>
T decode(boost::json::value const& v, source from = source::recorded)
{
    try
    {
        return json_reader(from).read<T>(v);
    }
    catch (...)
    {
        throw_not_convertible(boost::typeindex::ctti_type_index::type_id<T>().pretty_name());  // also where there is no RTTI
    }
}

template <class T>
T decode(std::string_view text, source from = source::recorded)
{
    return decode<T>(parse_json(text), from);
}

/// Whether two recorded texts are the same `T`, as far as this program knows that type: members that it does not know are passed over.
template <class T>
bool same_value(std::string_view a, std::string_view b)
{
    std::string first, second;
    encode_to(first, decode<T>(a), form::compared);
    encode_to(second, decode<T>(b), form::compared);
    return first == second;
}

}  // namespace detail

template <class T>
failure::failure(std::string reason, std::string code, T const& payload) : failure(std::move(reason), std::move(code))
{
    payload_ = detail::encode(payload);
}

template <class T>
T failure::payload() const
{
    if (!has_payload())
        throw misuse(misuse::code::bad_value, "the failure has no payload", gid(), branch_id());
    return detail::decode<T>(std::string_view(payload_));
}

}  // namespace v0
}  // namespace weft
