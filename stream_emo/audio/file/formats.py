"""The containers that are opened: those of audio and video, whose demuxers read nothing but their own file.

Left out are playlists and session descriptions, which open other files or the network (hls, dash, concat,
sdp, rtsp, imf), devices, generators (lavfi), pictures, subtitles, and text that is taken for a picture
(tty, bin, xbin). Which of them FFmpeg has depends on how it was built.
"""

LOCAL_FORMATS = (
    "aa,aac,aax,ac3,ac4,ace,acm,act,adp,ads,adx,aea,afc,aiff,aix,alaw,alp,amr,amrnb,"
    "amrwb,apac,apc,ape,apm,aptx,aptx_hd,argo_asf,argo_brp,ast,au,avr,binka,boa,bonk,"
    "brstm,bfstm,caf,flac,codec2,daud,dcstr,derf,dfpwm,dsf,dss,dts,dtshd,eac3,epaf,fsb,fwse,"
    "g722,g723_1,g726,g726le,g728,g729,genh,gsm,hca,hcom,iff,ilbc,ircam,iss,kvag,laf,"
    "latm,lc3,loas,mca,mlp,mmf,mp3,mpc,mpc8,msf,mtaf,mulaw,musx,nistsphere,nsp,oma,osq,"
    "paf,pvf,qcp,qoa,redspark,rka,rsd,rso,sbc,sdns,sds,sdx,shn,sln,sol,sox,spdif,svag,"
    "svs,tak,truehd,tta,txd,vag,voc,vpk,vqf,w64,wady,wav,wavarc,wsaud,wsd,wv,wve,xa,"
    "xvag,xwma,argo_cvg,iamf,pp_bnk,psxstr,scd,xmd,"
    "3dostr,4xm,asf,asf_o,avi,avs,bethsoftvid,bfi,bink,bmv,c93,cdxl,cine,dhav,dsicin,dv,"
    "dxa,ea,film_cpk,flv,gdv,gxf,idcin,ipmovie,iv8,ivr,jv,kux,live_flv,lmlm4,lvf,lxf,"
    "matroska,mgsts,mlv,mm,mov,moflex,mpeg,mpegts,mtv,mv,mvi,mxf,nsv,nuv,nut,ogg,pmp,"
    "pva,rl2,rm,roq,rpl,sdr2,sga,siff,smjpeg,smk,smush,swf,thp,tmv,ty,usm,vividas,vivo,"
    "vmd,wc3movie,webm,wtv,xmv,yop"
)
"""Value of FFmpeg's `format_whitelist` for local files: those of audio, then those of video."""

TIMED_FORMATS = frozenset(
    (
        "asf",
        "flac",
        "flv",
        "gxf",
        "matroska",
        "mov",
        "mpeg",
        "mpegts",
        "mxf",
        "nut",
        "ogg",
        "rm",
        "webm",
        "wtv",
    )
)
"""Formats that store when something is heard; in others a time is only a count of what came before."""

GAPLESS_FORMATS = frozenset(("flac", "ogg"))
"""Formats in which a hole in time can only come from damage."""

EXACT_FORMATS = frozenset(("aiff", "au", "caf", "flac", "matroska", "mov", "w64", "wav", "webm"))
"""Formats whose header says exactly how long the audio is."""
