#include "src/server/envelope.hpp"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

namespace weft {
inline namespace v0 {
namespace server_detail {

problem problem_of(std::exception_ptr error)
{
    problem p;
    try
    {
        std::rethrow_exception(error);
    }
    catch (failure const& no)
    {
        p.what = problem::kind::failure;
        p.text = no.reason();
    }
    catch (ongoing const& e)
    {
        p.what = problem::kind::ongoing;
        p.text = e.what();
    }
    catch (misuse const& e)
    {
        if (e.which() == misuse::code::wrong_status)
            p.what = problem::kind::failure;
        p.text = e.what();
    }
    catch (store_error const& e)
    {
        p.text = e.what();
        p.written = e.written();
    }
    catch (unfinished const& e)
    {
        p.text = e.what();
        p.written = e.written();
    }
    catch (std::exception const& e)
    {
        p.text = e.what();
    }
    catch (...)
    {
        p.text = "an unknown error";
    }
    return p;
}

std::string json_text(boost::json::value const& v)
{
    auto const  plain = boost::json::serialize(v);
    std::string text;
    text.reserve(plain.size());
    for (std::size_t i = 0; i < plain.size(); ++i)
        switch (plain[i])  // all of these stand in strings only
        {
        case '<':
            text += "\\u003c";
            break;
        case '>':
            text += "\\u003e";
            break;
        case '&':
            text += "\\u0026";
            break;
        case '\xe2':
            if (auto const three = plain.compare(i, 3, "\xe2\x80\xa8") == 0   ? "\\u2028"
                                   : plain.compare(i, 3, "\xe2\x80\xa9") == 0 ? "\\u2029"
                                                                              : nullptr)
            {
                text += three;
                i += 2;
                break;
            }
            [[fallthrough]];
        default:
            text += plain[i];
        }
    return text;
}

answer well(boost::json::value const& result)
{
    answer a;
    a.body = result.is_null() ? "{\"dtm_result\":\"SUCCESS\"}" : json_text(result);
    return a;
}

answer wrong(problem const& p)
{
    boost::json::object o;
    if (p.what == problem::kind::other)
    {
        o["message"] = p.text;
        if (p.written)
            o["written"] = to_string(*p.written);
        answer a;
        a.status = 500;
        a.body = json_text(o);
        return a;
    }
    bool const failed = p.what == problem::kind::failure;
    o["dtm_result"] = failed ? "FAILURE" : "ONGOING";
    o["message"] = p.text;
    answer a;
    a.status = failed ? 409 : 425;
    a.body = json_text(o);
    return a;
}

answer message(unsigned status, std::string const& text)
{
    boost::json::object o;
    o["message"] = text;
    answer a;
    a.status = status;
    a.body = json_text(o);
    return a;
}

answer plain(unsigned status, std::string text)
{
    answer a;
    a.status = status;
    a.body = std::move(text);
    a.content_type = "text/plain";
    return a;
}

}  // namespace server_detail
}  // namespace v0
}  // namespace weft
