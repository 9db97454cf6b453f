// Fitted costs in 1/32 token; one to four share a character.
const plain = unpack("3C.:=74C3?59CCH<R;F.HB#I3~.5GFDGMFHHHJIKEMIFKKGEII@NILC'Fd5+)),.,0,/#9,#,9D;@I0*P[", 81, 2, -32);
const afterMark = unpack("ejqVsKB~7qX;FPJf", 9, 5, -16);
const marks = unpack(
  ",%9?F.8TGI5?p+A$G$-$B]9)8-&>**$#*8A.G9E.[BB?oFlpBAFASSBAnG'Am#FmC#'+26(8Pd##j)q]5AE(QB-6SHA?m@LU##>A##>#5#'#,$$,7>?7%5#,-,-8/>9&",
  9,
  6,
  1,
); // by the kind before
const letterPairs = unpack(
  "AAAAAAAAAAAAAAAAn/m3OXGml?Pp4+4>~sFsaplOsK;s+so?SX3k8Or=q6Gsa+k?JoFsasg=l1FXLskF/WkcOsBQ'6o6Z=+@Ss4o4sr=sfQss+kFSr4jManqsepss++>JsFsFsK1scpsF+#>e8,0ssC6nBkksm(>nsassss4s=jssOk>es#sFssrsO]ss4G@Aj$LFsoOp4]m+4lFAo2sasHjpFFsX4$>e4B9eNqKo=SrOFPBSRkKOO28l>.'X,)>S='XIsP=rpIrOsk@nssssslsas=sssk>JO-(O=IIp0Te+OG>eO4sKsfD7NQK4pk>~a4l.s]OoJV=+*lCS89Cas0ol-lso+#>Ss+s4ssOsssss+k?JsIs<ssGs)sOs++Fes=sjs4sososq+GAnrsssspDrsmas+%?Js4sssqsssO=sqkF8/sHl07,'nnl+ks?n+#+G+%m#6Gk%kpB&%='kl+kO9++=ksCn1Op+sG#ml#>,ss@AAAAAAAAAAAAAAAA",
  9,
  6,
  -16,
);
const letterRuns = unpack(
  "i(RY)rlsq:9r?-s1Mamdh=qn&Hik+4FP/hA~iR#djs;<MamlsV:j(9sBbs[cic(Q=CR;+jmLqJZ^`H4C)dRfRaa?*'`Vd.%sX]k*[^qLkTqmU=[gkak`j9Uk84.3/FaO$:+0mXm3=_6aX^iXY+m^P4>2XI?7<mab32OKj=a+R4V6(R%j[ijsX`csjLq7l^.42$h_DjZh>Y=n)k=r.s`OK=4msm;_hq`dodr7qrQas]<(~b2Mp5~k]8=<^$OQ=<:cPJ[,DlW_0qfsPn=4YIhrs:mF,<s6_8iIR+<jpkaqp=bkDR=Z%d_V=EIlC[~+Yh[h_m?UG-)qX-Do#O+mmS=+Md8aq@qUig;pLDn8a+XonSLpVE[D=F#`o#XqqXVndaj;4mC%TP[3mlS:q;q1=]0LL+gqi_=p:&XIG_jFmPo>[hln>pmViS[gJq-<W[r.s+sskL]^Vm)~2jk7N:X1W21hs=~qn6m=s*kosq7q<msD^1Xks>ZF5Y;9bPi<kVhjp#qX=pq-hBSp;F+]9$/%Q/gmbp#As;ip`F~XaFL(l['sjY<nJXU^qdqY5']EUpX5lUW7aXXc_sJUq2:+q:=_i[*[XrW(LM,_35Ms#==V[eps_)1OlZ:8nj5s;ama`2d]m@=drd,<A:AXsmcsWn5j^=m*m,65s=U%FUXW8Cn`Pgpk=Fm7RD=m.PFTVf/_V:qC==skl`rF;s>XkL,k<b'p;ELqR&knSRmP&si[jUXirL^2sqrlqX^Igd_>_4js8_a^=~W$ThOOa2VO<4)sdm7a$6b_kAggqp'U)Zrddjel[+eVqZ0KRj:$+pm=j6)<WRs4NbP-=aX2.9qVaV6mJm=L/pjPZ#6a;PH2<d,sK*sN+&s.#pm9@TaZ;BGqZh='sPGmV`QraN3Pja#'MV=*@~_g5T7[7q6<]f_-m#VpO5dk`$Xsh`'nV=XT~6B(VXlnrnd@Lo_g[:rhQOj-HQm^Tq+g+lD,d4X`e3/[6[X3D]%hhoba7$08$m]Q&s_ksC<^jsqOE3D[",
  3,
  18,
  -18,
); // four letters, hashed
const blocks = unpack(
  ">>I>>>>>>HQPMW7:57?DS,E45:=:LMJMa[gh0@/;6B/B=F5:2A1D/;<96=INJDMb3cs-]~^^KUIRLM[saa~~a~[`g~eYqr6<~]adaf_s]]_can^fde_hLq[i>>>>JJbK=XJOGbCINI;V:gsEhOHU1s6PCD*s@HQ[lllrMr]hnpdjh0jccaah]Y[k`oksgrih1002TFSV[ZVd<s1f>>>>>>^^eC/35879A48aVN><5EA>Ul^G7BC@JI&580ss#$##%##$#J4I##$V;<<^A9DA#&S6#U=IBBCC################",
  81,
  2,
  -16,
); // of 64 code points; from U+3400, of 2048
const characters = unpack(
  "s<>`>J+dhs%msqmh_qa@[_aqr@kRsm#s;s;+`Z[%g.E_s,7jq_m*FEsa_>as^`Ea4ms(r=qos+8sQsXFp*m)ss:pm`%ja4kkqmj=q*+(Vs)XF>%I=JrR4;;sss@skqq=kqa>=rUs`:~7ks~mapr;@s)k5[=pqsp5Yknbjq1_=2qs=R.s3;>dmi7C5;m7m8@]Rn5sm[`[msPj_ss;gkb*rP7:[o=mSqqm,;kE(+_bM98W[r^)m=r+=mssan6:4jsd",
  3,
  32,
  -24,
); // from U+3000, hashed
const pairs = unpack(
  "_2#OZRa.WbV_5QS'J@bU]O/V/bJVB2%2VPbb2%DC_OU6RDVVBVKS[?V~_V?S`^2?V_>__VF0a%_JbB_2b&B_FB0aVJ/?US$VUb12T^&&2&Vb+Vb;bZF2QbBaBV3bSB`^0#ZW%Z^B//?b/b^6BV/?bT0bT#JU2./VF:QS6FSGVb0SbbF@RbR~1aWbb2&Yb2UAV%@.aOa2J#R_`BVb_V&VVZVRVT&2^O.~aR(bBb1X-#_BS.Z[21bF&b)2#'^;BbaW2a*V&_&NJ2TFR/RZ_2S~[]:S]?B+B$bV^#b`a_[,VZB[62Z>_2PZbR6VRBV&`2T2Z^^S&=VbVQOVV/S/a[XSBRSVb4S*VBS_/C2bbbZZbb>_&bba_S_;*aVJ_^VNZ#SYB:F_.bb2bRSSbaZ(ZU3#2OV~Rb_]UUZb&#,a?QV:`V#V_bVT`3S`bb$2bK?_^&/2b6N^V2WY0aVK/2NW-0BB6.RBBQb_bV`b&Wb///_#^_[O2SNGQbR*&`(^b]^&b_W`2Ob#VS2bBbB.bb[_+@S_J0^0B;S;#R6-2&XBb%R6^_6A23_#Rb_V^0#Vba[bUS]2_0#/aG2T[_&[V2bW1VTV2RV'bFOb7_bT&b__&VS_&bR*_[_V&bVVbB^6bORW__VbSO~9RT/2W^_/@D?`&^2Tbba~_.62_Mb^?`b61b526122A/?2b?+,b^+/RV3`AW&.2ONbb26b2_V&RVZX_S#^bSVWZBVbbW*0ZZZ_V(X1'SBbb0QHA[Zbb1UGV&'2_+$_Vbb1V26ROPZ.bbV6_VbL22b&J#TB2&2a2b^_S_&&Ab2&bb??b2SST%a_R'b]#b2Wb#[6$#bbRWV_bW0V/ZVRRa#*'b7'b^#2BS22##bb;`22b'#^^RUU2VbOS.2%_6BBOb@_%Va2]`VbN2bFIT)b/P_^a?Vb0Ub+J0'2b^VbBb>*1_&H$V2R6VSTaCQ^NUR_a_`GZ_2CWS[0a'.b_Ba`2_FUZZb/2_bZR22b_TOT^a_2D:ZbSa/L6P2W_b6+0^B/",
  4,
  16,
  -20,
); // not Latin, hashed

function unpack(text: string, levels: number, step: number, low: number): Int16Array {
  const per = levels > 9 ? 1 : levels > 4 ? 2 : 7 - levels;
  return Int16Array.from({ length: text.length * per }, (_, i) => {
    const code = text.charCodeAt(i / per) - 35;
    const value = code === 91 ? 57 : code; // "~" for the backslash
    return (Math.floor(value / levels ** (i % per)) % levels) * step + low;
  });
}

// Kinds of code units; OTHER before the text.
const SPACE = 0;
const LINE = 1;
const MARK = 2;
const DIGIT = 3;
const OTHER = 4;
const LETTER = 5;
const APOSTROPHE = 6;

// The most a text before can save: a cut never lowers the sum.
const START = 68;

// ASCII: 1 to 26 a letter, 32 more a capital; from 64 punctuation.
const ascii = new Uint8Array(128);
for (let code = 33, mark = 64; code < 127; code++) {
  const low = code | 32;
  if (low > 96 && low < 123) ascii[code] = low - (code < 97 ? 64 : 96);
  else if (code < 48 || code > 57) ascii[code] = mark++;
}

const hash = (value: number, size: number): number => ((Math.imul(value, -1640531535) >>> 16) * size) >>> 16;

/**
 * Estimates the `o200k_base` tokens of a text, a whole number. It aims, over 200 characters
 * or more, at 5 % under at most, 15 % over on average; `scripts/measure-tokens.ts` measures both.
 * Claude's tokenizer counts up to 1.35 times as many: the caller's factor. Wherever a text is
 * cut, estimate(a + b) <= estimate(a) + estimate(b), and estimate(a) <= estimate(a + b).
 */
export function estimateTokens(text: string): number {
  let sum = text === "" ? 0 : START;
  let kind = OTHER;
  let last = 0;
  let word = 0; // its last four letters, five bits each
  let capital = 0;
  let count = 0; // of spaces or digits in a row
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    let found = 0;
    if (code < 128) found = ascii[code]!;
    else if ((code > 0xbf && code < 0x250) || code >> 8 === 0x1e) found = 27 + (code & 3);
    let next = OTHER;
    let cost = 0;
    let least = 0;
    if (found > 0 && found < 64) {
      const letter = found & 31;
      const upper = found >> 5;
      if (kind === LETTER && upper <= capital) {
        word = ((word << 5) | letter) & 0xfffff;
        cost = letterPairs[word & 1023]! + letterRuns[Math.imul(word, -1640531535) >>> 20]! + upper * plain[75]!;
        // Into 0 to 24 without a branch.
        const over = cost - 24;
        cost -= over & ~(over >> 31);
        cost &= ~(cost >> 31);
      } else {
        word = letter;
        cost = plain[27 + letter]! + plain[59 + 2 * kind + upper]!;
        if (kind === MARK) cost += afterMark[ascii[last]! - 64]!;
        least = kind === APOSTROPHE ? 2 : 5;
        if (cost < least) cost = least;
      }
      if (code > 127) cost += plain[code > 0x17f ? 77 : 76]!;
      capital = upper;
      next = LETTER;
    } else if (code === 32) {
      count = kind === SPACE ? count + 1 : 0;
      cost = plain[count > 1 ? 8 : 1 + kind]!;
      next = SPACE;
    } else if (code > 47 && code < 58) {
      count = kind === DIGIT ? count + 1 : 0;
      cost = plain[count % 3 === 0 ? 23 : 24]!;
      next = DIGIT;
    } else if (code === 10 || code === 13 || code === 9) {
      cost = plain[kind + (code === 9 ? 16 : 9)]!;
      next = LINE;
    } else if (found > 0) {
      cost = marks[32 * (code === last ? 7 : kind) + found - 64]!;
      next = code === 39 && kind === LETTER ? APOSTROPHE : MARK;
    } else if (code < 128) {
      cost = plain[25]!;
    } else if (code >> 11 === 27) {
      // The high surrogate's cost is fixed, so a pair may be cut.
      if (code < 0xdc00) cost = plain[80]!;
      else if (last >> 2 !== 0x360f) cost = plain[81]!;
      else cost = blocks[240 + ((last & 3) << 4) + ((code >> 6) & 15)]!;
    } else {
      cost = blocks[code < 0x3400 ? code >> 6 : 208 + (code >> 11)]!;
      if (code > 0x2fff) cost += characters[hash(code, 1024)]!;
      if (last < 0x370) cost += plain[kind === SPACE ? 79 : 78]!;
      else cost += pairs[hash(last * 31 + code, 3072)]!;
      least = code < 0xf00 ? 3 : 8;
    }
    if (kind === APOSTROPHE && next !== LETTER) cost += plain[26]!;
    sum += cost < least ? least : cost;
    kind = next;
    last = code;
  }
  return Math.ceil(sum / 32);
}
