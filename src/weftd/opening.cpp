#include "src/weftd/opening.hpp"

#include <stdexcept>

namespace weftd {

std::unique_ptr<weft::store> open_store(configuration const& values, weft::store_options options)
{
    if (!values.relocated.empty())
        options.relocated = values.relocated == "moved" ? weft::relocation::moved : weft::relocation::cloned;
    options.dtm_utc_offset = values.time_zone_offset;
    try
    {
        return weft::open_store(store_url(values), std::move(options));
    }
    catch (weft::store_elsewhere const& e)
    {
        throw std::runtime_error(std::string(e.what()) + ". For weftd that is --store moved or --store cloned, once");
    }
}

}  // namespace weftd
